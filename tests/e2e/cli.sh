#!/bin/bash
# Every command of sillok, and what bad input gets, on small ledgers.   cli.sh SILLOK SILLOK_VERIFY   (TAP)
set -u
sillok=$(realpath "$1")
verify=$(realpath "$2")
vectors=$(realpath "$(dirname "$0")")/../vectors
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 2
export LC_ALL=C

n=0
bad=0
report() { # report TITLE CONDITION
    n=$((n + 1))
    if [ "$2" = yes ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' out | head -20
        bad=1
    fi
}
exits() { # exits CODE TITLE COMMAND...: output and messages stay in the file `out`
    local want=$1 title=$2 got=0
    shift 2
    "$@" >out 2>&1 </dev/null || got=$?
    [ "$got" = "$want" ] || echo "exit code $got, not $want: $*" >>out
    report "$title" "$([ "$got" = "$want" ] && echo yes)"
}
says() { # says TEXT: the last command's output holds TEXT
    report "  says: $1" "$(grep -qF -- "$1" out && echo yes)"
}
same() { # same TITLE A B
    echo "$2 / $3" >out
    report "$1" "$([ "$2" = "$3" ] && echo yes)"
}
height() { "$sillok" head --json "$1" | sed 's/.*"height":\([0-9]*\).*/\1/'; }
root() { "$sillok" head --json "$1" | sed 's/.*"log_root":"\([0-9a-f]*\)".*/\1/'; }
head_after() { # nothing was written: height and root are as before
    same "  nothing was written" "$(height "$1") $(root "$1")" "$2"
}

# ---- help, usage ----
exits 0 "--version" "$sillok" --version
exits 0 "--help" "$sillok" --help
for c in keygen charter "charter new" "charter show" "charter propose" "charter sign" "charter apply" init submit head history prove verify crowd policy audit mirror fsck stat backup \
    restore simulate; do
    # shellcheck disable=SC2086
    exits 0 "$c --help" "$sillok" $c --help
    says "Usage:"
done
exits 2 "no command" "$sillok"
exits 2 "an unknown command" "$sillok" frobnicate
exits 2 "an unknown option" "$sillok" head --frobnicate ledger
says "--help"
exits 2 "an option without its argument" "$sillok" prove ledger --handle
exits 2 "an argument too few" "$sillok" backup ledger
exits 2 "an argument too many" "$sillok" head a b
exits 2 "a number that is none" "$sillok" simulate --seed x
says '--seed: give a whole number from 0 to 18446744073709551615, not "x"'
numbers() { # numbers COMMAND...: no number goes through that does not fit, and none is taken for "not given"
    for option in $("$sillok" "$@" --help | sed -nE 's/^  --([a-z-]+) (N|S|D|HEIGHT|INDEX|PERCENT|CODE|UNIX_S)( .*)?$/\1/p'); do
        for number in 18446744073709551616 -1 1.5 ""; do
            "$sillok" "$@" "--$option" "$number" >out 2>&1 </dev/null
            echo "$? $(grep -c -- "--$option: give a whole number from [01] to [0-9]*, not \"$number\"" out) $* --$option"
        done
        case " $option" in *" seed") continue ;; esac
        "$sillok" "$@" "--$option" 18446744073709551615 >out 2>&1 </dev/null
        echo "$? $(grep -c -- "--$option: give a whole number" out) $* --$option"
    done
}
{
    for c in audit mirror watch policy prove simulate status-list submit "bundle export" "bundle import" "charter propose"; do
        # shellcheck disable=SC2086
        numbers $c
    done
} >numbers
grep -v "^2 1 " numbers >out
report "every number says what it may be" "$([ "$(wc -l <numbers)" -gt 120 ] && [ ! -s out ] && echo yes)"
exits 2 "a ledger that is not there" "$sillok" audit nowhere
same "  is said once" "$(cat out)" 'sillok audit: nowhere holds no ledger; `sillok init` makes a new one'
echo >file
exits 2 "a file for a ledger" "$sillok" head file
says "file is a file: a ledger is a directory"
exits 2 "a mirror of nothing" "$sillok" mirror tree
says "of which ledger? Name its directory before TREE"

# ---- keys and charters ----
exits 0 "keygen" "$sillok" keygen --out k.pem --name city --type cosign
says "vkey       = city+"
same "a private key is its owner's alone" "$(stat -c %a k.pem)" 600
exits 2 "keygen never overwrites" "$sillok" keygen --out k.pem
same "  and says it once" "$(cat out)" "sillok keygen: k.pem: exists already; a key is never overwritten: choose another name"
exits 2 "a seed that is none" "$sillok" keygen --seed zz
same "  is called that" "$(cat out)" "sillok keygen: --seed: a seed is 64 hexadecimal digits"
exits 0 "a key from a seed" "$sillok" keygen --seed "$(printf '00%.0s' {1..32})"
says "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
exits 0 "a member's four keys" "$sillok" keygen --member keys city
says "cosign_key = "
exits 0 "issuers' keys" "$sillok" keygen --issuer keys office desk
exits 2 "issuers' keys a second time" "$sillok" keygen --issuer keys office
same "  nothing is printed that was not made" "$(grep -c '^\[' out)" 0
exits 2 "keys with a path for a name" "$sillok" keygen --issuer keys ../office
new=("$sillok" charter new --origin test.example/cards --keys keys --member city=1 --issuer office=1 --desk desk=1)
exits 0 "charter new" "${new[@]}" -o charter.ini
exits 0 "charter show" "$sillok" charter show charter.ini
says "quorum       1 of 1"
hidden=$(printf 'ci\342\200\256ty')
sed "s/^\[member city\]/[member $hidden]/" charter.ini >hidden.ini
exits 0 "a name that is not what it looks like" "$sillok" charter show hidden.ini
says 'beware: the name of the member of agency 1'
says 'ci\u{202e}ty'
exits 2 "a file named so" "$sillok" charter show "$hidden.ini"
says "ci???ty"
exits 0 "charter show --json" "$sillok" charter show --json charter.ini
says '"chain_id":"'
exits 2 "charter new without keys" "$sillok" charter new --origin o --keys nowhere --member city=1
says 'nowhere/city.vote.pem: there is no such key: `sillok keygen --member DIR city` makes it, and --keys DIR says where'
[ -s charter.ini ] || { echo "Bail out! no charter"; exit 1; }
sed "s/^public_key = .*/public_key = $(sed -n 's/^vote_key = //p' charter.ini)/" charter.ini >twice.ini
exits 1 "a charter with a key used twice" "$sillok" charter show twice.ini
sed 's/^role = voting/role = observer/' charter.ini >nobody.ini
exits 1 "a charter in which nobody votes" "$sillok" charter show nobody.ini
exits 1 "no ledger comes of it" "$sillok" init nobody --charter nobody.ini
same "  nothing was written" "$(ls -d nobody 2>/dev/null)" ""
sed 's/^agency = 1/agency = one/' charter.ini >word.ini
exits 1 "a charter with a word for a number" "$sillok" charter show word.ini
says "word.ini:"

# ---- a ledger by hand ----
signers=(--log-key keys/city.log.pem --cosign-key keys/city.cosign.pem)
vote=(--vote-key keys/city.vote.pem)
exits 2 "init without its keys' mates" "$sillok" init ledger --charter charter.ini --log-key keys/city.log.pem
exits 2 "init with somebody else's keys" "$sillok" init ledger --charter charter.ini --log-key keys/desk.pem --cosign-key keys/office.pem
same "  nothing was written" "$(ls -d ledger 2>/dev/null)" ""
exits 0 "init" "$sillok" init ledger --charter charter.ini "${signers[@]}"
[ -d ledger ] || { echo "Bail out! no ledger"; exit 1; }
exits 2 "init never overwrites" "$sillok" init ledger --charter charter.ini "${signers[@]}"
says "already"
handle=$(printf 'a1%.0s' {1..32})
other=$(printf 'b2%.0s' {1..32})
device() { printf "$1%.0s" {1..32}; }
now=$(date -u +%s)
issue() { # issue HANDLE DEVICE INDEX
    echo "{\"issuer\":\"office\",\"kind\":\"ISSUE\",\"credential\":\"$1\",\"device\":\"$(device "$2")\",\"carrier\":\"PHONE\",\"channel\":\"OFFICE_QR\",\"type\":\"RESIDENT_PHONE\",\"valid_until\":$((now + 86400 * 900)),\"occurred_at\":$now,\"status_index\":$3}"
}
event() { # event ISSUER KIND HANDLE [MORE]
    echo "{\"issuer\":\"$1\",\"kind\":\"$2\",\"credential\":\"$3\",\"channel\":\"OFFICE_QR\",\"occurred_at\":$now${4:-}}"
}
submit=("$sillok" submit ledger --keys keys "${signers[@]}")
{
    issue "$handle" c1 7
    event desk LOCK "$handle" ',"reason":"LOST"'
    event office UNLOCK "$handle"
} >life.ndjson
exits 2 "submit with keys that are not there" "$sillok" submit ledger --keys nokeys life.ndjson
says "nokeys: No such file"
exits 2 "submit that waits for what nobody knows" "${submit[@]}" --wait x life.ndjson
says "--wait: received, safe, final or proof"
exits 0 "submit, heads filled in across issuers" "${submit[@]}" life.ndjson
says "accepted                3 events in 3 submissions"
exits 0 "history" "$sillok" history ledger --handle "$handle"
says "LOCK    -> LOCKED   desk"
says "UNLOCK  -> ACTIVE   office"
exits 1 "history of what was never issued" "$sillok" history ledger --handle "$other"
exits 0 "submit from standard input, without --keys' names" sh -c \
    "echo '$(event '' LOCK "$handle" ',"reason":1' | sed 's/"issuer":"",//')' | '$sillok' submit ledger --key keys/desk.pem --json"
says '"accepted":1'

# ---- what bad input gets ----
before="$(height ledger) $(root ledger)"
refused() { # refused CODE TITLE SAYS: the file in.ndjson
    exits "$1" "$2" "${submit[@]}" in.ndjson
    says "$3"
    [ -z "${4:-}" ] || says "$4"
    head_after ledger "$before"
}
{ issue "$other" d1 8; echo '{"kind":'; } >in.ndjson
refused 2 "half a line" "in.ndjson:2: not a JSON object"
{ issue "$other" d1 8; event office UNLOCK "$handle" ',"colour":"red"'; } >in.ndjson
refused 2 "an unknown field" 'in.ndjson:2: field "colour"'
event office UNLOCK "$handle" ',"kind":"LOCK"' >in.ndjson
refused 2 "a field twice" "duplicate"
event office LOCK "$handle" ',"reason":1.5' >in.ndjson
refused 2 "a wrong type" 'field "reason": must be a whole number'
event office UNLOCK "${handle%??}" >in.ndjson
refused 2 "a handle too short" 'field "credential": has 62 characters'
event nobody UNLOCK "$handle" >in.ndjson
refused 2 "an unknown issuer" "the charter lists no such issuer"
event office LOCK "$handle" ',"reason":"BORED"' >in.ndjson
refused 2 "an unknown reason" "the charter declares no reason of this name"
event desk UNLOCK "$handle" >in.ndjson
refused 1 "a right not held" "in.ndjson:1: refused: RIGHT_KIND"
event office UNLOCK "$handle" ",\"sequence\":2,\"previous\":\"$other\"" >in.ndjson
refused 1 "a stale sequence" "refused: SEQUENCE" "its head: sequence 4, previous "
event office UNLOCK "$handle" ",\"sequence\":4,\"previous\":\"$other\"" >in.ndjson
refused 1 "a stale previous" "refused: PREVIOUS"
event desk LOCK "$handle" ',"reason":1' >in.ndjson
refused 1 "an illegal transition" "refused: STATE"
issue "$other" d1 7 >in.ndjson
refused 1 "a status index in use" "refused: STATUS_INDEX_USED"
issue "$other" d1 9 | sed "s/\"valid_until\":[0-9]*/\"valid_until\":$((now + 86400 * 1200))/" >in.ndjson
refused 1 "validity too long" "refused: VALIDITY_LONG"
issue "$other" d1 9 | sed "s/\"occurred_at\":[0-9]*/\"occurred_at\":$((now + 3600))/" >in.ndjson
refused 1 "an event from the future" "refused: OCCURRED_IN_FUTURE"
issue "$other" d1 9 | sed 's/"device":"[0-9a-f]*",//' >in.ndjson
refused 1 "a missing field" "refused: FIELD_MISSING"
{ issue "$other" d1 9; event office RENEW "$handle" ",\"valid_until\":$((now + 86400))"; issue "$(device e1)" e2 10; } >in.ndjson
refused 1 "one bad event in a submission" "in.ndjson:2: refused: VALIDITY_NOT_LONGER" \
    "the other 2 events of this submission could have been accepted, but a submission enters whole or not at all: lines 1, 3"
exits 1 "the same as JSON" "${submit[@]}" --json in.ndjson
says '"rule":"VALIDITY_NOT_LONGER"'
exits 1 "--rest keeps what is not in the ledger" "${submit[@]}" --rest rest.ndjson in.ndjson
same "  every line of it" "$(cat rest.ndjson)" "$(cat in.ndjson)"
exits 1 "--keep-going --batch 1 takes the good ones" "${submit[@]}" --keep-going --batch 1 in.ndjson
says "accepted                2 events"
exits 2 "a key that others may read" sh -c "chmod 644 keys/office.pem; '$sillok' submit ledger --key keys/office.pem life.ndjson"
chmod 600 keys/office.pem
exits 2 "input that is not there" "${submit[@]}" nothing.ndjson
exits 2 "submit without keys" "$sillok" submit ledger life.ndjson
mkdir lone && cp keys/office.pem lone/
exits 2 "submit without the vote key" "$sillok" submit ledger --key lone/office.pem life.ndjson
says "--vote-key FILE, the vote key of city"
exits 2 "submit with another key for the vote key" "$sillok" submit ledger --keys keys --vote-key keys/city.log.pem life.ndjson
says "the vote key is not one the charter names"

# ---- signed elsewhere ----
chain=$("$sillok" charter show ledger --json | sed 's/.*"chain_id":"\([0-9a-f]*\)".*/\1/')
third=$(device f3)
issue "$third" f4 11 | sed 's/"RESIDENT_PHONE"/2/; s/"kind"/"sequence":0,"kind"/' >away.ndjson
exits 0 "sign-only, far from the ledger" "$sillok" submit --sign-only --chain "$chain" --keys keys -o signed.bin away.ndjson
exits 0 "submit what was signed" "$sillok" submit ledger --signed signed.bin "${signers[@]}"
says "accepted                1 events"
exits 0 "submit it again: known, not written twice" "$sillok" submit ledger --signed signed.bin "${vote[@]}"
says "known                   1 events"
exits 0 "sign for another chain" "$sillok" submit --sign-only --chain "$other" --keys keys -o wrong.bin away.ndjson
exits 1 "its signature is refused" "$sillok" submit ledger --signed wrong.bin "${vote[@]}"
says "SIGNATURE"
head -c 40 signed.bin >short.bin
exits 2 "a file cut short" "$sillok" submit ledger --signed short.bin "${vote[@]}"
says "cut short"

# ---- looking and proving ----
exits 0 "head" "$sillok" head ledger
exits 0 "head --sign" "$sillok" head ledger --sign "${signers[@]}"
exits 0 "head --checkpoint" "$sillok" head ledger --checkpoint
says "test.example/cards"
exits 0 "policy of a ledger" "$sillok" policy ledger -o policy
exits 0 "policy of a charter" "$sillok" policy charter.ini -o policy2
same "  the same" "$(cat policy)" "$(cat policy2)"
exits 0 "prove" "$sillok" prove ledger --handle "$handle" -o p.tlog-proof
says "complete history of 4 events"
exits 1 "verify: locked" "$sillok" verify --policy policy --handle "$handle" p.tlog-proof
says "LOCKED"
echo "$third" >handle.txt
exits 0 "prove from a handle in a file, small and binary" "$sillok" prove ledger --handle-file handle.txt --no-history --format binary -o p.bin
exits 0 "verify: active" env -i "$verify" --policy policy --handle-file handle.txt p.bin
exits 2 "a proof of somebody else" "$verify" --policy policy --handle "$handle" p.bin
exits 0 "prove absence" "$sillok" prove ledger --handle "$(device 99)" -o a.tlog-proof
says "never issued"
exits 1 "verify: never issued" "$verify" --policy policy --handle "$(device 99)" a.tlog-proof
sed 's/^extra ./extra Z/' p.tlog-proof >forged.tlog-proof
exits 2 "a forged proof" "$verify" --policy policy --handle "$handle" forged.tlog-proof
printf '%s\n%s\n' "$handle" "$third" >handles.txt
exits 0 "many proofs" "$sillok" prove ledger --handles handles.txt -o proofs
exits 0 "the second of them" "$verify" --policy policy --handle "$third" proofs/000002.tlog-proof

# ---- proofs and policies of C2SP ----
exits 0 "proof --help" "$sillok" proof --help
exits 0 "proof convert --help" "$sillok" proof convert --help
says "Usage:"
exits 0 "help proof convert is the same" sh -c '"$0" help proof convert >said && "$0" proof convert --help | cmp - said' "$sillok"
exits 0 "and help audit" sh -c '"$0" help audit >said && "$0" audit --help | cmp - said' "$sillok"
exits 2 "help on a command that there is not" "$sillok" help adit
says "no such command: adit"
exits 0 "a proof becomes binary" "$sillok" proof convert p.tlog-proof -o c.bin
exits 1 "  which says the same" "$verify" --policy policy --handle "$handle" c.bin
exits 0 "and text again" "$sillok" proof convert c.bin -o c.tlog-proof
same "  the same bytes" "$(sha256sum <p.tlog-proof)" "$(sha256sum <c.tlog-proof)"
exits 0 "it may stay what it is" sh -c "'$sillok' proof convert c.bin --format binary | cmp - c.bin"
exits 2 "what is no proof is not converted" "$sillok" proof convert policy
exits 2 "nor into anything else" "$sillok" proof convert c.bin --format pdf
exits 0 "a proof of one entry" "$sillok" prove ledger --entry 3 -o e.tlog-proof --entry-file e.entry
says "entry 3 of"
exits 0 "  without extra" sh -c '! grep -q ^extra e.tlog-proof'
exits 0 "  verifies" "$verify" --policy policy --entry-file e.entry e.tlog-proof
says "these bytes are entry 3"
says "age of proof"
exits 0 "  as JSON, too" "$verify" --policy policy --entry-file e.entry --json e.tlog-proof
says '"origin":"test.example/cards","index":3'
exits 2 "of other bytes it proves nothing" "$verify" --policy policy --entry-file policy e.tlog-proof
says "these bytes are not entry 3"
exits 2 "too old a one is refused" "$verify" --policy policy --entry-file e.entry --max-age 1h --now 2038-01-01 e.tlog-proof
says "at most 3600 s are allowed"
exits 2 "milliseconds are no seconds" "$verify" --policy policy --entry-file e.entry --now 1767225600000 e.tlog-proof
says "--now: expected Unix seconds up to the year 9999"
exits 2 "an age has an end" "$verify" --policy policy --entry-file e.entry --max-age 18446744073709551615 e.tlog-proof
says "--max-age: expected a number of seconds from 1 to 1099511627776"
exits 2 "an entry that is not there" "$sillok" prove ledger --entry 99999
says "there is no entry 99999"
exits 2 "an entry and a credential" "$sillok" prove ledger --entry 3 --handle "$handle"
exits 2 "the same when verifying" "$verify" --policy policy --entry-file e.entry --handle "$handle" e.tlog-proof
exits 0 "another program's proof of another log" "$verify" --policy "$vectors/torchwood.policy" --entry-file "$vectors/torchwood.entry" \
    "$vectors/torchwood.tlog-proof"
says "foreign.example/log, 11 entries"
exits 2 "of which our policy knows nothing" "$verify" --policy policy --entry-file "$vectors/torchwood.entry" "$vectors/torchwood.tlog-proof"
says 'the proof is of the log "foreign.example/log"'
exits 0 "another program's policy is understood" "$sillok" policy --from "$vectors/torchwood.policy" -o foreign.policy
same "  and kept as it is" "$(sha256sum <foreign.policy)" "$(sha256sum <"$vectors/torchwood.policy")"
outside=$(sed -n 's/^witness y1 \([^\t]*\).*/\1/p' foreign.policy)
exits 0 "a policy may want an outside witness as well" "$sillok" policy ledger --witness "y=$outside https://y1.example/w" -o strict.policy
exits 0 "  as the specification writes it" grep -q "^group voting-members-and-outside all voting-members outside" strict.policy
exits 2 "which a proof without one does not meet" "$verify" --policy strict.policy --handle "$handle" p.tlog-proof
says "too few cosignatures"
exits 0 "  and says so to who reads it" grep -qx "# Of these outside witnesses 1 must have cosigned it, too." strict.policy
exits 2 "more than there are cannot be wanted" "$sillok" policy ledger --witness "y=$outside" --threshold 2
exits 2 "a witness's key that is mistyped" "$sillok" policy ledger --witness "y=${outside%?}x"
says "copy it again"
exits 2 "a witness that is in the policy already" "$sillok" policy --from strict.policy --witness "z=$outside"
says "would count twice"
sed 's/^quorum.*/quorum none/' policy >none.policy
exits 2 "a policy without a quorum" "$verify" --policy none.policy --handle "$handle" p.tlog-proof
says "only an explicit permission accepts it"
exits 1 "  needs that permission" "$verify" --policy none.policy --allow-no-quorum --handle "$handle" p.tlog-proof
grep -v ^quorum policy >open.policy
exits 2 "a policy that forgot it" "$sillok" policy --from open.policy
says "no quorum line"
exits 0 "outside witnesses alone may be the quorum" "$sillok" policy --from none.policy --witness "y=$outside" -o alone.policy
exits 0 "  of their group" grep -qx "quorum outside" alone.policy
sed 's/$/\r/' policy >crlf.policy
exits 2 "a policy with other line ends" "$verify" --policy crlf.policy --handle "$handle" p.tlog-proof
says "Unix line ends"
# ---- QR codes ----
exits 0 "a QR code on the terminal" "$sillok" prove ledger --handle "$third" --qr
exits 0 "a QR code as SVG" "$sillok" prove ledger --handle "$third" --qr -o code.svg
exits 0 "a QR code as PNG" "$sillok" prove ledger --handle "$third" --qr -o code.png
exits 0 "an absent credential's" "$sillok" prove ledger --handle "$(device 99)" --qr -o absent.png
exits 2 "a QR code as a picture that nobody draws" "$sillok" prove ledger --handle "$third" --qr -o code.jpg
says ".png or .svg"
exits 1 "and no file is left of it" test -e code.jpg
exits 2 "sillok-verify reads no image" "$verify" --policy policy --qr code.png
says "zbarimg"
exits 0 "sillok verify reads it" "$sillok" verify --policy policy --qr code.png
says "handle in the code: $third"
exits 2 "of no other credential" "$sillok" verify --policy policy --handle "$(device 99)" --qr code.png
exits 1 "another code in the same words" "$sillok" verify --policy policy --qr code.png absent.png
head -c 300 code.png >cut.png
exits 2 "half a picture" "$sillok" verify --policy policy --qr cut.png
says "not a PNG that can be read"
if command -v zbarimg >/dev/null; then
    exits 0 "a scanner reads it" sh -c 'zbarimg --raw -q code.png 2>/dev/null >code.txt && grep -q ^SLK1: code.txt'
    exits 0 "what it read is a good proof" "$verify" --policy policy --qr code.txt
    says "handle in the code: $third"
    exits 0 "of the credential that was asked about" "$verify" --policy policy --handle "$third" --qr code.txt
    exits 2 "and of no other" "$verify" --policy policy --handle "$(device 99)" --qr code.txt
    says "another credential"
    zbarimg --raw -q absent.png 2>/dev/null >absent.txt
    exits 1 "an absent credential's is a no" "$verify" --policy policy --qr absent.txt
    tr 0-4 5-9 <code.txt >altered.txt
    exits 2 "an altered code proves nothing" "$verify" --policy policy --qr altered.txt
    head -c 400 code.txt >short.txt
    exits 2 "nor does a part of one" "$verify" --policy policy --qr short.txt
    sed 's/^SLK1/HTTP/' code.txt >other.txt
    exits 2 "nor does another kind of code" "$verify" --policy policy --qr other.txt
    says "scan it again"
else
    report "a scanner reads it # SKIP zbarimg (zbar-tools) is not installed" yes
fi
exits 2 "both ways to say the handle" "$sillok" prove ledger --handle "$handle" --handle-file handle.txt
exits 2 "no handle at all" "$sillok" prove ledger --handle 12
exits 0 "crowd" "$sillok" crowd ledger --prefix 0/0
says "4 credentials under the prefix"
exits 2 "crowd with a bad prefix" "$sillok" crowd ledger --prefix 3/9
exits 0 "stat" "$sillok" stat ledger
exits 0 "audit" "$sillok" audit ledger
says "sound:"
exits 0 "audit of the right chain" "$sillok" audit ledger --chain "$chain"
exits 1 "audit of another chain" "$sillok" audit ledger --chain "$other"
exits 0 "fsck" "$sillok" fsck ledger
exits 0 "backup" "$sillok" backup ledger copy
exits 2 "backup never overwrites" "$sillok" backup ledger copy
exits 0 "restore" "$sillok" restore copy again
exits 2 "restore never overwrites" "$sillok" restore copy ledger
same "the same root" "$(root ledger)" "$(root again)"
exits 0 "the restored one is sound" "$sillok" audit again
exits 2 "an unsigned ledger proves nothing" sh -c "'$sillok' init unsigned --charter charter.ini >/dev/null && '$sillok' prove unsigned --handle $handle"
says "not signed yet"

# ---- in use, damaged ----
mkfifo pipe
exec 9<>pipe
: >ledger/writer.lock # the writer puts its process number there
timeout 60 "$sillok" submit ledger --keys keys pipe >writer.out 2>&1 9>&- &
writer=$!
for _ in $(seq 300); do
    [ -s ledger/writer.lock ] && break # trying the lock could take it from the writer
    sleep 0.1
done
exits 2 "a second writer" "${submit[@]}" life.ndjson
says "another process"
exits 0 "readers do not mind" "$sillok" audit ledger
exits 0 "nor do backups" "$sillok" backup ledger while-writing
exec 9>&-
wait "$writer"
flip() { # flip FILE OFFSET: one bit
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
at=$(LC_ALL=C grep -obUaP '\xa1{32}' copy/data.mdb | head -1 | cut -d: -f1)
flip copy/data.mdb "$((at + 3))"
exits 1 "fsck names a flipped bit" "$sillok" fsck copy
exits 1 "audit finds it" "$sillok" audit copy
exits 1 "restore refuses it" "$sillok" restore copy third
same "  nothing was written" "$(ls -d third 2>/dev/null)" ""
truncate -s 20000 again/data.mdb
exits 1 "fsck of a truncated ledger" "$sillok" fsck again
head -c 8192 /dev/zero | tr '\0' x >while-writing/snapshot.0
exits 0 "a damaged snapshot is no hindrance" "$sillok" stat while-writing
says "while-writing: warning: snapshot.0: its header is damaged"
exits 1 "fsck finds it" "$sillok" fsck while-writing
got=0
"$sillok" head again >out 2>&1 || got=$?
report "a truncated ledger does not open" "$([ "$got" != 0 ] && [ "$got" -lt 3 ] && echo yes)"

# ---- simulations ----
sim=("$sillok" simulate --seed 4 --days 6 --credentials 1500 --burst --faults 10)
exits 0 "simulate" "${sim[@]}" --keys simkeys --charter sim.ini -o sim.ndjson
exits 0 "simulate again" "${sim[@]}" -o sim2.ndjson
same "the same seed, the same bytes" "$(sha256sum <sim.ndjson)" "$(sha256sum <sim2.ndjson)"
exits 0 "its ledger" "$sillok" init sim --charter sim.ini
exits 2 "a test stream is not taken for a real one" "$sillok" submit sim sim.ndjson --keys simkeys --clock events
says "--verify-verdicts"
exits 0 "every verdict is the expected one" "$sillok" submit sim sim.ndjson --keys simkeys --clock events --verify-verdicts --block-seconds 21600
says "each by the rule that was expected"
exits 0 "audit of the simulation" "$sillok" audit sim
exits 0 "its backup" "$sillok" backup sim cut
truncate -s "$(($(stat -c %s cut/data.mdb) / 3))" cut/data.mdb
exits 1 "fsck of a large one cut short fits a screen" "$sillok" fsck cut
says " more: \`sillok fsck --json cut\` lists them all"
same "  lines" "$(wc -l <out)" 22
sed 's/"expect":"STATE"/"expect":"PREVIOUS"/' sim.ndjson >lie.ndjson
exits 1 "a wrong expectation shows" "$sillok" submit sim lie.ndjson --keys simkeys --clock events --verify-verdicts
says "expected PREVIOUS, but it was STATE"
exits 0 "simulate without faults" "$sillok" simulate --seed 4 --events 1000 --charter sim.ini -o sim.ndjson
exits 0 "its ledger" "$sillok" init sim2 --charter sim.ini
exits 0 "ingest" "$sillok" submit sim2 sim.ndjson --keys simkeys --clock events
before="$(height sim2) $(root sim2)"
exits 0 "the same again: all known" "$sillok" submit sim2 sim.ndjson --keys simkeys --clock events
says "known               1,000 events"
head_after sim2 "$before"
sed '300,$s/"reason":3/"reason":99/' sim.ndjson >broken.ndjson
exits 0 "another ledger" "$sillok" init sim3 --charter sim.ini
exits 1 "a stream with a mistake in its middle" "$sillok" submit sim3 broken.ndjson --keys simkeys --clock events --rest rest.ndjson
says "REASON_UNKNOWN"
sed 's/"reason":99/"reason":3/' rest.ndjson >mended.ndjson
exits 0 "what --rest kept, mended, completes it" "$sillok" submit sim3 mended.ndjson --keys simkeys --clock events
exits 0 "the same events are in both ledgers" sh -c "
    '$sillok' stat --json sim2 | sed 's/.*\(\"events.*\),\"disk.*/\1/' >a; '$sillok' stat --json sim3 | sed 's/.*\(\"events.*\),\"disk.*/\1/' >b
    cat a b; cmp a b"
echo '{"kind":' >>broken.ndjson
exits 2 "nothing of a malformed file is written" "$sillok" submit sim3 broken.ndjson --keys simkeys --clock events --rest rest.ndjson
exits 0 "and --rest keeps all of it" cmp rest.ndjson broken.ndjson
exits 2 "a full disk is not a success" "$sillok" simulate --events 1000 -o /dev/full
exits 2 "nor for text" sh -c "'$sillok' crowd sim2 --prefix '' >/dev/full"
exits 2 "nor for JSON" sh -c "'$sillok' crowd sim2 --prefix '' --json >/dev/full"

# ---- the charter changes ----
apply() { "$sillok" charter apply changing "$1" "${signers[@]}"; }
exits 0 "a ledger whose charter changes" "$sillok" init changing --charter charter.ini "${signers[@]}"
"$sillok" policy changing -o first.policy
"$sillok" head changing --checkpoint >first.note
clinic=$("$sillok" keygen --issuer keys clinic | sed -n 's/^public_key = //p')
{ "$sillok" charter show changing; echo; sed -n '/^\[issuer office\]/,/^$/p' charter.ini |
    sed "s/office/clinic/; s/^public_key = .*/public_key = $clinic/"; } >next.ini
exits 0 "charter propose" "$sillok" charter propose changing --charter next.ini -o change
says "not yet: APPROVALS"
exits 1 "a key without a say" "$sillok" charter sign changing change --key keys/desk.pem
exits 0 "charter sign" "$sillok" charter sign changing change --key keys/city.vote.pem
says "keys/city.vote.pem: approves"
says "not yet: POSSESSION_MISSING"
before="$(height changing) $(root changing)"
exits 1 "an incomplete change is refused" apply change
says "refused: POSSESSION_MISSING"
same "  nothing was written" "$(height changing) $(root changing)" "$before"
exits 0 "every key that has a say" "$sillok" charter sign changing change --keys keys
says "keys/clinic.pem: is held"
says "version 2 can govern from block 2 on"
issue "$(device c2)" c3 21 | sed 's/office/clinic/' >clinic.ndjson
exits 2 "its office is a stranger until then" "$sillok" submit changing --key keys/clinic.pem "${signers[@]}" clinic.ndjson
exits 0 "charter apply" apply change
says "version 2 of the charter is in block 1 and governs from block 2 on"
exits 1 "not twice" apply change
says "refused: VERSION"
exits 0 "the new office issues" "$sillok" submit changing --key keys/clinic.pem "${signers[@]}" clinic.ndjson
"$sillok" keygen --member fresh city >fresh.txt
"$sillok" charter show changing >keys.ini
for k in vote cosign log node; do
    sed -i "s/^${k}_key = .*/${k}_key = $(sed -n "s/^${k}_key *= //p" fresh.txt)/" keys.ini
done
cp keys/city.vote.pem fresh/before.pem
exits 0 "a member's keys change" "$sillok" charter propose changing --charter keys.ini -o keychange --keys fresh --activation 5
says "fresh/before.pem: approves"
says "complete: version 3"
exits 0 "they wait" apply keychange
exits 0 "  and are told" "$sillok" charter show changing
says "waiting      version 3, which governs from block 5 on"
exits 1 "one change at a time" apply keychange
says "refused: PENDING"
"$sillok" head changing --checkpoint >second.note
issue "$(device c4)" c5 22 >four.ndjson
issue "$(device c6)" c7 23 >five.ndjson
issue "$(device c8)" c9 24 >five2.ndjson
exits 0 "the last block by the old keys" "$sillok" submit changing --key keys/office.pem "${signers[@]}" four.ndjson
exits 2 "which write no more" "$sillok" submit changing --key keys/office.pem "${signers[@]}" five.ndjson
says "the vote key is not one the charter names"
exits 0 "the first by the new ones" "$sillok" submit changing --key keys/office.pem --log-key fresh/city.log.pem --cosign-key fresh/city.cosign.pem five.ndjson
exits 2 "a change that changes nothing" "$sillok" charter propose changing -o closed
says "what changes?"
exits 2 "nobody's removal" "$sillok" charter propose changing --remove nobody -o closed
says "no member and no issuer of the charter has this name"
exits 2 "keys that are not there" "$sillok" charter propose changing --rotate city --new-keys nowhere -o closed
says "no key of city is there"
exits 2 "a node that does not answer" "$sillok" charter propose --url unix:/nowhere --remove clinic -o closed
exits 0 "an observer and a desk are offered" "$sillok" keygen --member fresh harbour
"$sillok" keygen --issuer fresh pier >/dev/null
exits 0 "  by name and number" "$sillok" charter propose changing --observer harbour=9 --desk pier=9 --new-keys fresh -o offered --keys fresh
says "complete: version 4"
exits 0 "an office closes" "$sillok" charter propose changing --remove clinic -o closed --keys fresh
exits 0 "  at once" "$sillok" charter apply changing closed --log-key fresh/city.log.pem --cosign-key fresh/city.cosign.pem
exits 0 "what it did keeps its name" "$sillok" history changing --handle "$(device c2)"
says "clinic"
exits 0 "audit across the changes" "$sillok" audit changing
exits 0 "fsck across the changes" "$sillok" fsck changing
exits 0 "the policy of the charter in force" "$sillok" policy changing -o new.policy
exits 0 "a proof for it" "$sillok" prove changing --handle "$(device c2)" --history -o new.tlog-proof
exits 0 "  verifies" "$verify" --policy new.policy --handle "$(device c2)" new.tlog-proof
exits 2 "and by the first charter's keys it does not" sh -c "'$verify' --policy first.policy --handle $(device c2) new.tlog-proof"
for note in first second; do
    exits 0 "the $note checkpoint's policy finds the newest charter" "$sillok" policy changing --update first.policy --checkpoint $note.note -o followed.policy
    says "$([ $note = first ] && echo 3 || echo 2) changes since the checkpoint"
    same "  and prints its policy" "$(cat followed.policy)" "$(cat new.policy)"
done
"$sillok" head changing --checkpoint >new.note
exits 1 "a checkpoint that the old policy does not accept" "$sillok" policy changing --update first.policy --checkpoint new.note
exits 0 "one that the new policy accepts" "$sillok" policy changing --update new.policy --checkpoint new.note
says "0 changes since"
exits 1 "a checkpoint of another history" "$sillok" policy sim2 --update first.policy --checkpoint first.note
says "another root"
"$sillok" backup changing earlier >/dev/null && exits 0 "the ledger goes on" "$sillok" submit changing --key keys/office.pem --log-key fresh/city.log.pem --cosign-key fresh/city.cosign.pem five2.ndjson
"$sillok" head changing --checkpoint >newest.note
exits 2 "a ledger that ends before the checkpoint" "$sillok" policy earlier --update new.policy --checkpoint newest.note
says "does not reach the checkpoint"
exits 1 "no checkpoint at all" "$sillok" policy changing --update first.policy --checkpoint new.policy
exits 2 "an old policy alone" "$sillok" policy changing --update first.policy
says "go together"
sed 's/^agency = 1/agency = 7/' next.ini >seven.ini
exits 0 "an agency does not hand its keys to another" "$sillok" charter propose changing --charter seven.ini -o seven --keys keys
says "not yet: KEY_REUSED"
exits 1 "what is no change is none" "$sillok" charter apply changing keys.ini "${signers[@]}"
says "MALFORMED"

# ---- names and bytes that others chose ----
printf '{"credential":"%064d","kind":"LOCK","\\u001b]0;x\\u0007":1}\n' 1 >escape.ndjson
exits 2 "a field name with control characters" "$sillok" submit ledger --key keys/desk.pem escape.ndjson
says '"?]0;x?"'
odd=$(printf 'odd\377')
exits 2 "a name that is not UTF-8, in JSON" "$sillok" audit --json "$odd"
says "not UTF-8"
printf '%s\n\0\n' "$(head -1 sim.ndjson)" >nul.ndjson
exits 0 "a ledger for it" "$sillok" init sim4 --charter sim.ini
exits 2 "a line of a zero byte" "$sillok" submit sim4 nul.ndjson --keys simkeys --clock events --batch 1
says "nothing was written"
mkfifo pipe.pem
exits 2 "a pipe for a key" timeout 20 "$sillok" submit sim4 sim.ndjson --key pipe.pem
says "pipe.pem"
exits 2 "options that do not fit" "$sillok" simulate --existing 99

echo "1..$n"
exit $bad
