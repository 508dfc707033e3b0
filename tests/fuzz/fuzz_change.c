/* fuzz_change.c: charter changes: protobuf-c agrees on the form, what parses prints back, and only a quorum passes the judge. */
#include "ledger.pb-c.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/opinion.h"
#include "tests/fuzz/world.h"

#define QUORUM 3 /* of the world's four */

static bool is_agency(uint32_t agency, uint32_t above)
{
    return agency > above && agency <= UINT16_MAX;
}

static bool change_obeys(const Sillok__CharterChange *c)
{
    if (c->activation == 0 || c->n_approval > SLK_CHARTER_VOTING_MAX || c->n_ready > SLK_CHARTER_VOTING_MAX ||
        c->n_possession > SLK_CHANGE_POSSESSIONS_MAX)
        return false;
    for (size_t i = 0; i < c->n_approval; i++)
        if (!is_agency(c->approval[i]->agency, i == 0 ? 0 : c->approval[i - 1]->agency) ||
            c->approval[i]->signature.len != SLK_SIGNATURE_SIZE)
            return false;
    for (size_t i = 0; i < c->n_possession; i++)
        if (c->possession[i]->key.len != SLK_KEY_SIZE ||
            c->possession[i]->signature.len != SLK_SIGNATURE_SIZE ||
            (i > 0 && memcmp(c->possession[i - 1]->key.data, c->possession[i]->key.data, SLK_KEY_SIZE) >= 0))
            return false;
    for (size_t i = 0; i < c->n_ready; i++)
        if (!is_agency(c->ready[i]->agency, i == 0 ? 0 : c->ready[i - 1]->agency) ||
            c->ready[i]->block_hash.len != SLK_HASH_SIZE || c->ready[i]->signature.len != SLK_SIGNATURE_SIZE)
            return false;
    return true;
}

static bool opinion_change(struct slk_span bytes)
{
    struct slk_entry entry;
    ProtobufCMessage *message;
    bool good;

    if (!opinion_entry(bytes) || slk_entry_parse(&entry, bytes) != SLK_OK ||
        entry.type != SLK_ENTRY_CHARTER || entry.change.size == 0 ||
        entry.charter.size > SLK_CHARTER_BYTES_MAX)
        return false;
    message = opinion_canonical(&sillok__charter_change__descriptor, entry.change);
    if (message == NULL)
        return false;
    good = change_obeys((const Sillok__CharterChange *)message);
    protobuf_c_message_free_unpacked(message, NULL);
    return good;
}

static void judge(const struct slk_change *change)
{
    static struct world *world;
    static struct slk_charter next;
    struct slk_fault fault;
    enum slk_change_rule rule;

    if (world == NULL)
        world = world_new();
    rule = slk_charters_judge(world->machine.charters, &world->machine.chain_id, 1, change, &next, &fault);
    if (rule == SLK_CHANGE_OK) {
        FUZZ_CHECK(change->approvals_n >= QUORUM && change->possessions_n == 5 && change->readies_n == 1);
        FUZZ_CHECK(next.version == 2 && slk_hash_equal(&next.previous, &world->machine.charter->hash));
    } else {
        fuzz_check_fault(&fault, "", 0);
        FUZZ_CHECK(fault.text[0] != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_change change;
    static uint8_t printed[SLK_ENTRY_MAX];
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_span bytes = slk_span_of(exact, size);
    enum slk_err err;

    memset(&change, 0xa5, sizeof(change));
    err = slk_change_parse(&change, bytes);
    FUZZ_CHECK((err == SLK_OK) == opinion_change(bytes));
    if (err == SLK_OK) {
        FUZZ_CHECK(slk_change_format(printed, sizeof(printed), &change) == size);
        FUZZ_CHECK(memcmp(printed, exact, size) == 0);
        FUZZ_CHECK(slk_change_format(printed, size - 1, &change) == 0);
        judge(&change);
    } else {
        FUZZ_CHECK(fuzz_is_zero(&change, sizeof(change)));
    }
    free(exact);
    return 0;
}
