#!/bin/sh
# By hand, as root: a Debian with nothing on it, and what a newcomer does there: tools/demo first, as root, which has to
# install what it needs, then tools/check in a clone of an ordinary user.
#
#   tests/e2e/fresh_debian.sh [SUITE [DIRECTORY]]     bookworm, trixie, ...; default bookworm
#
# Uses debootstrap and chroot. Keys and proxies of apt are taken from this machine. The directory (default: a new one
# below /var/tmp) is kept when something fails; given again, it is used as it stands, with new clones.
set -eu
suite=${1:-bookworm}
dir=${2:-$(mktemp -d "/var/tmp/sillok-$suite-XXXXXX")}
mirror=${MIRROR:-http://deb.debian.org/debian}
here=$(cd "$(dirname "$0")/../.." && pwd)

[ "$(id -u)" -eq 0 ] || { echo "fresh_debian.sh: needs root for chroot" >&2; exit 2; }
mkdir -p "$dir"
chmod 755 "$dir"
if [ ! -e "$dir/etc/debian_version" ]; then
    debootstrap --variant=minbase "$suite" "$dir" "$mirror"
fi
rm -rf "$dir/etc/apt/apt.conf.d" "$dir/srv/sillok"
cp -a /etc/apt/apt.conf.d "$dir/etc/apt/"
for f in /etc/apt/auth.conf.d /etc/ssl/certs /etc/resolv.conf /etc/hosts; do
    [ -e "$f" ] && mkdir -p "$dir$(dirname "$f")" && cp -aL "$f" "$dir$(dirname "$f")/"
done
echo "deb $mirror $suite main" >"$dir/etc/apt/sources.list"

mounted=
cleanup() {
    for m in $mounted; do
        umount "$dir/$m" || true
    done
    mounted=
}
trap cleanup EXIT
for m in proc dev dev/pts dev/shm; do
    mountpoint -q "$dir/$m" || { mount --bind "/$m" "$dir/$m" && mounted="$m $mounted"; }
done
inside() { # inside WHO COMMAND: in the fresh Debian, with an environment that holds nothing of this machine
    echo "fresh_debian.sh: $suite, $1: $2" >&2
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$(home_of "$1")" LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        chroot "$dir" runuser -u "$1" -- sh -c "$2"
}
home_of() {
    [ "$1" = root ] && echo /root || echo "/srv/$1"
}

git clone -q "$here" "$dir/srv/sillok"
inside root 'cd /srv/sillok && tools/demo'
inside root 'cd /srv/sillok && tools/setup --check'
inside root 'id newcomer >/dev/null 2>&1 || useradd -m -d /srv/newcomer newcomer'
rm -rf "$dir/srv/newcomer/sillok"
git clone -q "$here" "$dir/srv/newcomer/sillok"
inside root 'chown -R newcomer: /srv/newcomer/sillok'
inside newcomer 'cd ~/sillok && tools/check'
cleanup
trap - EXIT
rm -rf "$dir"
