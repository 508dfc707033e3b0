#!/bin/sh
# As somebody else's program would: installs into a scratch directory, compiles ten lines against sillok.h with
# pkg-config, shared and static, and checks a status proof with both and with the installed sillok-verify.
#
#   install.sh BUILD_DIR SOURCE_DIR CC...      (TAP)
set -u
build=$1
source=$2
shift 2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
n=0
bad=0
check() { # check TITLE COMMAND...
    title=$1
    shift
    n=$((n + 1))
    if "$@" >"$scratch/out" 2>&1; then
        echo "ok $n - $title"
    else
        echo "not ok $n - $title"
        sed 's/^/# /' "$scratch/out"
        bad=1
    fi
}

cat >"$scratch/reader.c" <<'PROGRAM'
#include <sillok.h>
#include <stdio.h>

static uint8_t policy_text[65536], proof[65536], handle[SLK_HANDLE_SIZE];

static size_t get(const char *path, uint8_t *out, size_t cap)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(out, 1, cap, f) : 0;
    if (f)
        fclose(f);
    return n;
}

int main(int argc, char **argv)
{
    struct slk_verify_options options = {.now_s = 1750003600};
    struct slk_policy *policy;
    struct slk_answer answer;
    struct slk_fault fault;

    if (argc != 4 || get(argv[3], handle, sizeof(handle)) != sizeof(handle) ||
        slk_policy_new(&policy, (char *)policy_text, get(argv[1], policy_text, sizeof(policy_text)), &fault) != SLK_OK)
        return 2;
    struct slk_span bytes = {proof, get(argv[2], proof, sizeof(proof))};
    enum slk_err err = slk_verify_status(&answer, bytes, handle, policy, &options);
    printf("%s %s\n", slk_err_name(err), err == SLK_OK ? slk_state_name(answer.state) : slk_err_text(err));
    slk_answer_clear(&answer);
    slk_policy_free(policy);
    return err == SLK_OK ? 0 : 1;
}
PROGRAM
seeds=$source/tests/fuzz/corpus # its proofs are of "credential 0" (tests/fuzz/world.c)
for i in 0 1; do
    python3 -c "import hashlib, sys; sys.stdout.buffer.write(hashlib.sha256(b'credential $i').digest())" >"$scratch/handle$i"
done

root=$scratch/root
check "meson install" env DESTDIR="$root" meson install -C "$build" --no-rebuild
pc=$(find "$root" -name sillok.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
libs=$(dirname "$(find "$root" -name libsillok.so)")
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
check "pkg-config finds it" pkg-config --exists sillok
check "one header is installed" test "$(find "$root" -name '*.h' | wc -l)" -eq 1
check "manual pages and what operators need are installed" test -s "$root$prefix/share/man/man1/sillok-audit.1" \
    -a -s "$root$prefix/share/man/man5/sillokd.ini.5" -a -s "$root$prefix/share/sillok/alerts.yml"
check "programs are installed" test -x "$root$prefix/bin/sillok" -a -x "$root$prefix/bin/sillok-verify"

# shellcheck disable=SC2046
check "a program compiles against the shared library" \
    "$@" -o "$scratch/shared" "$scratch/reader.c" $(pkg-config --cflags --libs sillok)
# shellcheck disable=SC2046
check "a program compiles against the static library" \
    "$@" -o "$scratch/static" "$scratch/reader.c" $(pkg-config --cflags sillok) "$libs/libsillok.a" -lcrypto
check "the static one does not need libsillok.so" sh -c "! readelf -d '$scratch/static' | grep -q libsillok"
says() { # says WORDS COMMAND...: its output is this line
    words=$1
    shift
    said=$("$@")
    echo "$said"
    [ "$said" = "$words" ]
}
for kind in shared static; do
    check "$kind: a proof is accepted and says ACTIVE" says "OK ACTIVE" env LD_LIBRARY_PATH="$libs" "$scratch/$kind" \
        "$seeds/policy/four-agencies" "$seeds/proof/history-binary" "$scratch/handle0"
    check "$kind: refused for another handle" says \
        "E_MAP_PROOF the map proof does not lead to the map root in the seal" env LD_LIBRARY_PATH="$libs" \
        "$scratch/$kind" "$seeds/policy/four-agencies" "$seeds/proof/history-binary" "$scratch/handle1"
done
echo "1..$n"
exit $bad
