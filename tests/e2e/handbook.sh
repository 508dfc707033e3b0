#!/bin/bash
# The operator's handbook, line by line: the installation with root's part played (below), then the rehearsal and every drill on one
# network, on which the auditor's page is typed as well.
#
#   handbook.sh BIN_DIR SOURCE_DIR      (TAP)
#
# Played: `meson setup`, `ninja` (this build exists), what root does (sudo puts everything below a scratch root and changes no owner)
# and systemd (systemctl reads the installed unit and starts what it says).
set -u
bin=$1
PATH=$bin:$PATH
source=$2
scratch=$(mktemp -d)
root=$scratch/root
# shellcheck source=tests/e2e/lines.sh
. "$(dirname "$0")/lines.sh"
handbook=$source/net/operations/HANDBOOK.md

end() {
    find "$scratch" -name '*.pid' 2>/dev/null | while read -r f; do kill -9 "$(cat "$f")" 2>/dev/null; done
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 1' INT TERM
read -r nodes clients < <(free_tens)

# ---- root's part ----

meson() { [ "$1 $2" = "setup build" ] && [ -x "$bin/sillokd" ]; }
ninja() { [ "$1 $2" = "-C build" ]; }
# A configuration's files stand under $root here, its ports are free ones.
move_in() { sed "s, = /, = $root/,; s,:7150,:${nodes}1,; s,:7151,:${clients}1," "$1" >"$scratch/played.ini"; }
sudo() {
    local words=() take=1
    [ "$1" != -u ] || shift 2
    for word in "$@"; do
        case $word in
        -o | -g) [ "$1" != install ] || take=0 ;;
        /*) [ $take = 0 ] || words+=("$root$word"); take=1 ;;
        *) [ $take = 0 ] || words+=("$word"); take=1 ;;
        esac
    done
    set -- "${words[@]}"
    case $1 in
    adduser) [ "$2 $3" = "--system --group" ] && [ "${!#}" = sillok ] ;;
    chown) shift 2 && ls "$@" ;;
    ldconfig) true ;;
    meson) install -D -t "$root/usr/local/bin" "$bin/sillok" "$bin/sillokd" "$bin/sillok-verify" ;;
    systemctl) "$@" ;;
    tee | install) mkdir -p "$(dirname "${!#}")" && command "$@" ;;
    sillok) command "$@" ;;
    sillokd) move_in "$3" && command sillokd --config "$scratch/played.ini" "${@:4}" ;;
    *) echo "not played: $*"; return 1 ;;
    esac
}
systemctl() {
    local unit=$root/etc/systemd/system/sillokd.service run
    case "$*" in
    daemon-reload) [ -s "$unit" ] && ! grep -q 'Exec.*=-\?/usr/bin/' "$unit" ;;
    "enable --now sillokd")
        mkdir -p "$root/run/sillok"
        run=$(sed -n 's/^ExecStart=//p' "$unit")
        move_in "$root${run##* }"
        "$root${run%% *}" --config "$scratch/played.ini" --check-config || return 1
        "$root${run%% *}" --config "$scratch/played.ini" 2>"$scratch/played.log" &
        echo $! >"$scratch/played.pid"
        for _ in $(seq 100); do ! grep -q ready "$scratch/played.log" || return 0; sleep 0.1; done
        cat "$scratch/played.log"
        return 1
        ;;
    "is-active sillokd") kill -0 "$(cat "$scratch/played.pid")" && ! grep ERROR "$scratch/played.log" ;;
    *) return 1 ;;
    esac
}

mkdir "$scratch/source" && cd "$scratch/source" && ln -s "$source/tools" tools || exit 1
section "$handbook" Install Rehearsal >"$scratch/install"
while IFS= read -r line; do
    case $line in
    *'install -m 644 charter.ini'*) # made by all agencies together: the next section
        sillok keygen --member keys police mint carrier >"$scratch/out" && cp "$root"/etc/sillok/*.pem keys/ && sillok charter new \
            --origin played.example/log --keys keys --member interior=1 --member police=2 --member mint=3 --member carrier=4 -o charter.ini ;;
    esac
    eval "$line" >"$scratch/out" 2>&1 </dev/null
    check "${line%%#*}" $?
done <"$scratch/install"
kill "$(cat "$scratch/played.pid")"
[ "$n" -gt 12 ] && [ "$(wc -l <interior.public)" -ge 4 ]
check "the installation is all there" $?

# ---- the rehearsal, and the auditor's page on its network ----

unset -f meson ninja sudo systemctl
type_lines() { # type_lines FILE
    local line skipping='' status
    while IFS= read -r line; do
        case $line in
        'mkdir tokens'*) command -v softhsm2-util >/dev/null || skipping="softhsm2 is not installed (tools/setup --check)" ;;
        'stop interior && sed'*) skipping= ;;
        esac
        if [ -n "$skipping" ]; then
            n=$((n + 1))
            echo "# skipped: $skipping"
            echo "ok $n - ${line%%#*} # SKIP $skipping"
            continue
        fi
        eval "$line" >"$scratch/out" 2>&1 </dev/null
        status=$?
        check "${line%%#*}" $status
        [ $status = 0 ] || tail -n 5 "$scratch"/rehearsal/*.log | sed 's/^/# /'
    done <"$1"
}
ports() { sed -e "s/720\([1-5]\|\$2\)/$nodes\1/g" -e "s/721\([1-5]\|\$2\)/$clients\1/g"; }

cd "$scratch" || exit 1
section "$handbook" "Rehearsal" "No such heading" | ports >lines
sed '$d' lines >most
first=$n
type_lines "$scratch/most"
[ $((n - first)) -gt 120 ]
check "the rehearsal is all there" $?
mkdir "$scratch/auditor" && cd "$scratch/auditor" || exit 1
first=$n
section "$source/tools/AUDITOR.md" "Once" "No such heading" | ports >"$scratch/lines-auditor"
type_lines "$scratch/lines-auditor"
[ $((n - first)) -gt 16 ]
check "the auditor's page is all there" $?
cd "$scratch/rehearsal" || exit 1
tail -n 1 "$scratch/lines" >"$scratch/last"
type_lines "$scratch/last"
accused=$(grep -l "two_voices\|split_view" ./*.log)
[ -z "$accused" ]
check "in all of it nobody said two things" $?
echo "1..$n"
exit $bad
