#!/bin/bash
# What README.md shows, line by line, as a newcomer types it: the tour of one agency, then the network and its charter changes.
#
#   readme.sh BIN_DIR SOURCE_DIR      (TAP)
set -u
PATH=$1:$PATH
source=$2
scratch=$(mktemp -d)
# shellcheck source=tests/e2e/lines.sh
. "$(dirname "$0")/lines.sh"

end() {
    cat "$scratch"/network/*.pid 2>/dev/null | while read -r pid; do kill "$pid" 2>/dev/null; done
    rm -rf "$scratch"
}
trap end EXIT

mkdir "$scratch/one" "$scratch/network"
cd "$scratch/one" || exit 1
section "$source/README.md" "One agency" "A network" >../tour
while IFS= read -r line; do
    sh -c "$line" >../out 2>&1 </dev/null
    check "${line%%#*}" $?
done <../tour
[ "$n" -gt 8 ] && [ -s status.tlog-proof ]
check "the tour is all there and leaves a proof" $?

# Here the lines are of one shell, and the ports are free ones. What a node says once it knows the others, and blocks, come with
# the time: both are waited for, and clients make the blocks.
cd "$scratch/network" || exit 1
read -r nodes clients < <(free_tens)
section "$source/README.md" "A network" "What is" | sed -e "s/710\([1-5]\)/$nodes\1/g" -e "s/711\([1-5]\)/$clients\1/g" >../tour

get() { # a page of a node
    python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())' "$1"
}
wait_for() { # wait_for COMMAND: a minute at most
    for _ in $(seq 600); do
        if eval "$1" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    return 1
}
later=100
blocks() { # until no change waits
    python3 - "$later" >events.ndjson <<'PYTHON'
import json, sys, time
now = int(time.time())
for i in range(int(sys.argv[1]) + 1, int(sys.argv[1]) + 25):
    print(json.dumps({"issuer": "sejong", "kind": "ISSUE", "credential": "%064x" % i, "sequence": 0, "device": "%064x" % i,
                      "carrier": "PHONE", "channel": "OFFICE_QR", "type": 2, "valid_until": now + 86400 * 365, "occurred_at": now,
                      "status_index": i}))
PYTHON
    later=$((later + 24))
    chain=$(sillok charter show | sed -n 's/^# chain id *//p')
    sillok submit events.ndjson --keys keys --batch 1 --sign-only --chain "$chain" -o signed >/dev/null || return 1
    python3 - "http://127.0.0.1:${clients}1" <<'PYTHON'
import json, struct, sys, urllib.request
data, at = open("signed", "rb").read(), 0
while at < len(data) and "pending" in json.load(urllib.request.urlopen(sys.argv[1] + "/v1/charter")):
    size, = struct.unpack(">I", data[at:at + 4])
    urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "/v1/submissions?wait=final", data[at + 4:at + 4 + size],
                                                  {"Content-Type": "application/x-protobuf"})).read()
    at += 4 + size
PYTHON
    ! sillok charter show | grep -q '^# waiting'
}

first=$n
while IFS= read -r line; do
    eval "$line" >../out 2>&1 </dev/null
    check "${line%%#*}" $?
    case $line in
    *'for a in'*sillokd*) wait_for '[ "$(for i in 1 2 3 4; do get http://127.0.0.1:'"$clients"'$i/v1/status; done | grep -o "\"peers\":3" | wc -l)" = 4 ]' ;;
    'sillok charter apply'*) blocks >../out 2>&1; check "  (and when its blocks have come it governs)" $? ;;
    *'>>interior.ini'*) wait_for 'get http://127.0.0.1:'"$clients"'5/v1/status | grep -q "\"height\":[1-9]"' ;;
    esac
done <../tour
[ $((n - first)) -gt 25 ]
check "the network is all there" $?
sillok charter show >../out 2>&1
grep -q '^version = 5' ../out && grep -q 'quorum *3 of 4' ../out && ! grep -q 'member carrier' ../out
check "the charter is the fifth, without the carrier" $?
wait_for 'get http://127.0.0.1:'"$clients"'5/v1/status | grep -q "\"votes\":true"'
check "the fifth agency votes" $?
grep -q next_vote_key police.log
check "the police voted with the new key" $?
echo "1..$n"
exit $bad
