#!/bin/sh
# By hand, as root: a Debian with nothing on it, a clone, and tools/check: does the tree install what it needs?
#
#   tests/e2e/fresh_debian.sh [SUITE [DIRECTORY]]     bookworm, trixie, ...; default bookworm
#
# Uses debootstrap and chroot. Sources, keys and proxies of apt are taken from this machine. The directory (default: a
# new one below /var/tmp) is kept when something fails.
set -eu
suite=${1:-bookworm}
dir=${2:-$(mktemp -d "/var/tmp/sillok-$suite-XXXXXX")}
mirror=${MIRROR:-http://deb.debian.org/debian}
here=$(cd "$(dirname "$0")/../.." && pwd)

[ "$(id -u)" -eq 0 ] || { echo "fresh_debian.sh: needs root for chroot" >&2; exit 2; }
if [ ! -e "$dir/etc/debian_version" ]; then
    debootstrap --variant=minbase "$suite" "$dir" "$mirror"
fi
rm -rf "$dir/etc/apt/apt.conf.d" "$dir/srv/sillok"
cp -a /etc/apt/apt.conf.d "$dir/etc/apt/"
for f in /etc/apt/auth.conf.d /etc/ssl/certs /etc/resolv.conf /etc/hosts; do
    [ -e "$f" ] && mkdir -p "$dir$(dirname "$f")" && cp -aL "$f" "$dir$(dirname "$f")/"
done
echo "deb $mirror $suite main" >"$dir/etc/apt/sources.list"
git clone -q "$here" "$dir/srv/sillok"

mounted=
cleanup() {
    for m in $mounted; do
        umount "$dir/$m" || true
    done
}
trap cleanup EXIT
for m in proc dev dev/pts; do
    mountpoint -q "$dir/$m" || { mount --bind "/$m" "$dir/$m" && mounted="$m $mounted"; }
done
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    chroot "$dir" sh -c 'apt-get update -q && cd /srv/sillok && tools/check'
cleanup
trap - EXIT
rm -rf "$dir"
