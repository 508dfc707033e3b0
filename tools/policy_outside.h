/* policy_outside.h: a trust policy that wants cosignatures of outside witnesses as well. */
#ifndef SLK_TOOLS_POLICY_OUTSIDE_H
#define SLK_TOOLS_POLICY_OUTSIDE_H

#include "tools/cli.h"

/* Adds to the policy's text `NAME=VKEY` or `NAME=VKEY URL` of each witness, a group "outside" of which `threshold` must cosign (0: all), and makes the
 * quorum that and what it was. False after a message: one of them is none, or the policy that comes of it is none. */
bool policy_add_outside(struct cli *cli, char *text, size_t cap, size_t *size,
    const struct cli_list *witnesses, uint64_t threshold);

#endif
