# Sourced by the tests that type what a document shows. `scratch` is theirs; TAP on standard output.
n=0
bad=0

# The indented lines of a document from one heading to the next that is given, `\` at the end of a line taken back.
section() { # section DOCUMENT FROM TO
    sed -n "/^## $2/,/^## $3/s/^    //p" "$1" | sed -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}'
}

check() { # check NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' "$scratch/out"
        bad=1
    fi
}

# Two numbers N of four digits without the last: the ports N1 to N5 of both are free.
free_tens() {
    python3 -c '
import random, socket
def free(tens):
    try:
        for port in range(10 * tens + 1, 10 * tens + 6):
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        return True
    except OSError:
        return False
print(*random.sample([t for t in random.sample(range(2000, 3200), 200) if free(t)], 2))'
}
