/* opinion.h: the second opinion on canonical bytes: what protobuf-c reads, printed again.
 *
 * protobuf-c knows nothing of canonical form. It is turned into a judge so: unpack, find no unknown field, pack, and
 * get the same bytes. On top come the sizes and ranges that proto/ledger.proto states in comments.
 */
#ifndef SLK_FUZZ_OPINION_H
#define SLK_FUZZ_OPINION_H

#include <protobuf-c/protobuf-c.h>

#include "tests/fuzz/fuzz.h"

/* The message, when `bytes` are its canonical form, else NULL; protobuf_c_message_free_unpacked() it. */
ProtobufCMessage *opinion_canonical(const ProtobufCMessageDescriptor *type, struct slk_span bytes);

/* Whether the bytes are a canonical message of this type and obey the comments of the schema. */
bool opinion_event(struct slk_span bytes);
bool opinion_entry(struct slk_span bytes);

#endif
