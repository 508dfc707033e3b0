/* fuzz_vkey.c: verifier keys: what parses prints back and is the key that slk_vkey_init makes of its parts. */
#include "ledger/verify/note.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);
    char printed[SLK_VKEY_MAX];
    struct slk_vkey vkey, again;

    memset(&vkey, 0xa5, sizeof(vkey));
    if (slk_vkey_parse(&vkey, (const char *)exact, size) == SLK_OK) {
        FUZZ_CHECK(slk_vkey_format(printed, &vkey) == size && memcmp(printed, exact, size) == 0);
        FUZZ_CHECK(slk_vkey_init(&again, vkey.name, vkey.type, vkey.key) == SLK_OK);
        FUZZ_CHECK(again.key_hash == vkey.key_hash && slk_key_is_sound(vkey.key));
    } else {
        FUZZ_CHECK(vkey.type == 0 && fuzz_is_zero(vkey.key, sizeof(vkey.key)));
    }
    free(exact);
    return 0;
}
