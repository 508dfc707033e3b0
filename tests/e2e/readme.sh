#!/bin/sh
# The tour in README.md, line by line, as a newcomer types it.
#
#   readme.sh BIN_DIR SOURCE_DIR      (TAP)
set -u
PATH=$1:$PATH
source=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

# The indented lines of the section, `\` at the end of a line taken back.
sed -n '/^## Ten lines/,/^## What is/s/^    //p' "$source/README.md" | sed -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}' >tour
n=0
bad=0
while IFS= read -r line; do
    n=$((n + 1))
    if sh -c "$line" >out 2>&1 </dev/null; then
        echo "ok $n - ${line%%#*}"
    else
        echo "not ok $n - ${line%%#*}"
        sed 's/^/# /' out
        bad=1
    fi
done <tour
n=$((n + 1))
if [ "$n" -gt 8 ] && [ -s status.tlog-proof ]; then
    echo "ok $n - the tour is all there and leaves a proof"
else
    echo "not ok $n - the tour is all there and leaves a proof"
    bad=1
fi
echo "1..$n"
exit $bad
