#include "net/mesh_hello.h"

#include <assert.h>
#include <string.h>

static bool fixed(void *out, struct slk_reader *r, size_t size)
{
    struct slk_span bytes = slk_read_delimited(r);

    if (bytes.size != size)
        return false;
    memcpy(out, bytes.at, size);
    return true;
}

static bool read_field(struct slk_hello *out, struct slk_reader *r, uint32_t field)
{
    switch (field) {
    case 1:
        out->version = (uint32_t)slk_read_number(r, UINT32_MAX);
        return true;
    case 2:
        return fixed(out->chain_id.b, r, SLK_HASH_SIZE);
    case 3:
        return fixed(out->charter_hash.b, r, SLK_HASH_SIZE);
    case 4:
        out->height = slk_read_number(r, UINT64_MAX);
        return true;
    case 5:
        out->index = (uint16_t)slk_read_number(r, UINT16_MAX);
        return true;
    case 6:
        return fixed(out->instance, r, SLK_MESH_INSTANCE);
    case 7:
        out->asks = (uint32_t)slk_read_number(r, SLK_MESH_WAIT_MAX);
        return true;
    case 8:
        out->oldest = (uint32_t)slk_read_number(r, UINT32_MAX);
        return out->oldest <= out->version;
    default: /* field numbers, not an enum */
        return false;
    }
}

enum slk_err slk_hello_parse(struct slk_hello *out, struct slk_span bytes)
{
    static const unsigned must = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 6 | 1u << 7 | 1u << 8;
    static const unsigned as_bytes = 1u << 2 | 1u << 3 | 1u << 6;
    struct slk_reader r = {.rest = bytes};
    uint32_t last = 0, field;
    unsigned seen = 0;
    enum slk_wire wire;

    *out = (struct slk_hello){0};
    while ((field = slk_read_field(&r, &last, &wire)) != 0) {
        if (field > 8 || (wire == SLK_WIRE_BYTES) != ((as_bytes >> field & 1u) != 0) ||
            !read_field(out, &r, field))
            break;
        seen |= 1u << field;
    }
    if (field != 0 || !slk_read_done(&r) || (seen & must) != must) {
        *out = (struct slk_hello){0};
        return SLK_E_MALFORMED;
    }
    return SLK_OK;
}

size_t slk_hello_format(uint8_t out[SLK_HELLO_MAX], const struct slk_hello *hello)
{
    struct slk_writer w = {.at = out, .cap = SLK_HELLO_MAX};

    assert(hello->oldest != 0 && hello->oldest <= hello->version);
    assert(hello->asks != 0 && hello->asks <= SLK_MESH_WAIT_MAX);
    slk_write_field_number(&w, 1, hello->version);
    slk_write_field_bytes(&w, 2, hello->chain_id.b, SLK_HASH_SIZE);
    slk_write_field_bytes(&w, 3, hello->charter_hash.b, SLK_HASH_SIZE);
    slk_write_field_number(&w, 4, hello->height);
    slk_write_field_number(&w, 5, hello->index);
    slk_write_field_bytes(&w, 6, hello->instance, SLK_MESH_INSTANCE);
    slk_write_field_number(&w, 7, hello->asks);
    slk_write_field_number(&w, 8, hello->oldest);
    assert(!w.bad);
    return w.size;
}
