/* fuzz_note.c: signed notes: the text and the signature lines, printed again, are the note. */
#include "ledger/verify/note.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const struct slk_note *note, const uint8_t *at, size_t size)
{
    struct slk_writer w = {.at = malloc(size + 1), .cap = size + 1};

    if (w.at == NULL)
        abort();
    slk_write_bytes(&w, note->text.at, note->text.size);
    slk_write_u8(&w, '\n');
    for (size_t i = 0; i < note->sigs_n; i++) {
        const struct slk_note_sig *sig = &note->sigs[i];

        FUZZ_CHECK(sig->name.size > 0 && memchr(sig->name.at, ' ', sig->name.size) == NULL);
        FUZZ_CHECK(sig->blob_size <= SLK_NOTE_BLOB_MAX);
        if (sig->blob_size == 0) { /* of a type we do not know and do not keep */
            free(w.at);
            return;
        }
        FUZZ_CHECK(sig->blob_size > SLK_NOTE_KEY_HASH_SIZE && slk_get_u32(sig->blob) == sig->key_hash);
        slk_note_write_sig(&w, (const char *)sig->name.at, sig->name.size, sig->blob, sig->blob_size);
    }
    FUZZ_CHECK(!w.bad && w.size == size && memcmp(w.at, at, size) == 0);
    free(w.at);
}

/* No key of ours made this note: whatever it says, no line may verify under it. */
static void check_signatures(const struct slk_note *note)
{
    static const uint8_t key[SLK_KEY_SIZE] = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
        0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
        0x66, 0x66, 0x66, 0x66, 0x66};
    static const uint8_t types[] = {SLK_SIG_ED25519, SLK_SIG_COSIGNATURE_V1};

    for (size_t i = 0; i < note->sigs_n; i++) {
        char name[SLK_NAME_MAX + 1];
        struct slk_vkey vkey;
        uint64_t time_s = 1;

        if (!slk_name_is_valid((const char *)note->sigs[i].name.at, note->sigs[i].name.size))
            continue; /* the specification allows other signers more than we allow ours */
        memcpy(name, note->sigs[i].name.at, note->sigs[i].name.size);
        name[note->sigs[i].name.size] = 0;
        for (size_t k = 0; k < sizeof(types); k++) {
            FUZZ_CHECK(slk_vkey_init(&vkey, name, types[k], key) == SLK_OK);
            FUZZ_CHECK(slk_note_check_sig(&time_s, note, i, &vkey) != SLK_OK);
            vkey.key_hash = note->sigs[i].key_hash; /* now the line claims to be by this key */
            FUZZ_CHECK(slk_note_check_sig(&time_s, note, i, &vkey) == SLK_E_SIGNATURE ||
                       note->sigs[i].blob_size == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_note note;
    uint8_t *exact = fuzz_exact(data, size);

    memset(&note, 0xa5, sizeof(note));
    if (slk_note_parse(&note, (const char *)exact, size) == SLK_OK) {
        FUZZ_CHECK(size <= SLK_NOTE_MAX && note.sigs_n > 0 && note.sigs_n <= SLK_NOTE_SIGS_MAX);
        FUZZ_CHECK(note.text.at == exact && note.text.size > 0 && note.text.at[note.text.size - 1] == '\n');
        check_again(&note, exact, size);
        if (note.sigs_n <= 4)
            check_signatures(&note);
    } else {
        FUZZ_CHECK(note.sigs_n == 0 && note.text.size == 0);
    }
    free(exact);
    return 0;
}
