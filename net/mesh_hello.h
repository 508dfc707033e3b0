/* mesh_hello.h: the first message of each side. Source: protocol §3.2; form: Hello of proto/net.proto, canonical. */
#ifndef SLK_NET_MESH_HELLO_H
#define SLK_NET_MESH_HELLO_H

#include "net/mesh.h"

#define SLK_HELLO_MAX 256

/* SLK_OK or SLK_E_MALFORMED: fields out of order, at their default, unknown, of another size. What parses, format prints
 * again. On refusal *out is zeroed: version 0 is none. */
SLK_MUST_CHECK enum slk_err slk_hello_parse(struct slk_hello *out, struct slk_span bytes);
size_t slk_hello_format(uint8_t out[SLK_HELLO_MAX], const struct slk_hello *hello);

#endif
