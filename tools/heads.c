/* heads.c: see heads.h. A hash table with open addressing; a handle is random, so its first bytes are the hash. */
#include "tools/heads.h"

#include <stdlib.h>
#include <string.h>

#include "ledger/verify/bytes.h"

#define HEADS_START 4096

static struct head *slot_of(const struct heads *heads, const uint8_t handle[SLK_HANDLE_SIZE])
{
    size_t at = slk_get_u64(handle) & (heads->cap - 1);

    while (heads->slots[at].used && memcmp(heads->slots[at].handle, handle, SLK_HANDLE_SIZE) != 0)
        at = (at + 1) & (heads->cap - 1);
    return &heads->slots[at];
}

struct head *heads_find(struct heads *heads, const uint8_t handle[SLK_HANDLE_SIZE])
{
    struct head *head;

    if (heads->cap == 0)
        return NULL;
    head = slot_of(heads, handle);
    return head->used && (head->sent == HEAD_OPEN || head->sent > heads->answered) ? head : NULL;
}

/* Drops what has been answered; doubles the table when that is not enough. */
static bool make_room(struct heads *heads)
{
    struct heads next = {.answered = heads->answered};
    size_t live = 0;

    for (size_t i = 0; i < heads->cap; i++)
        live += heads->slots[i].used && heads->slots[i].sent > heads->answered;
    for (next.cap = HEADS_START; next.cap < 4 * live; next.cap *= 2)
        ;
    next.slots = calloc(next.cap, sizeof(*next.slots));
    if (next.slots == NULL)
        return false;
    for (size_t i = 0; i < heads->cap; i++) {
        const struct head *head = &heads->slots[i];

        if (head->used && head->sent > heads->answered) {
            *slot_of(&next, head->handle) = *head;
            next.n++;
        }
    }
    free(heads->slots);
    *heads = next;
    return true;
}

struct head *heads_put(struct heads *heads, const uint8_t handle[SLK_HANDLE_SIZE])
{
    struct head *head;

    if (heads->n >= heads->cap / 2 && !make_room(heads))
        return NULL;
    head = slot_of(heads, handle);
    if (!head->used) {
        heads->n++;
        head->used = true;
        memcpy(head->handle, handle, SLK_HANDLE_SIZE);
    }
    return head;
}

void heads_clear(struct heads *heads)
{
    free(heads->slots);
    *heads = (struct heads){0};
}
