/* cmd_policy.c: `sillok policy`: the trust policy that follows from a charter. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/policy.h"
#include "tools/charter_desk.h"
#include "tools/policy_outside.h"

#define POLICY_ROOM 65536

/* From the charter in force, as the ledger or its text file says it. */
static bool policy_of(struct cli *cli, char *text, size_t *size)
{
    struct cli_charter c;

    if (!cli_charter_load(cli, cli->args[0], &c))
        return false;
    *size = slk_charter_policy(text, POLICY_ROOM, c.charter);
    cli_charter_free(&c);
    return true;
}

/* Is this charter the chain's first? Then its own bytes prove it. */
static bool is_first(const struct slk_charter *charter, const struct slk_hash *chain)
{
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    size_t size = bytes != NULL ? slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, charter) : 0;
    struct slk_hash id = {{0}};

    if (size > 0)
        slk_charter_chain_id(&id, slk_span_of(bytes, size));
    free(bytes);
    return size > 0 && slk_hash_equal(&id, chain);
}

/* From the charter that a node says is in force. With --chain it is believed only as far as it shows itself to be the chain's
 * first; what came later is shown by blocks, which an audit fetches. */
static bool policy_of_node(
    struct cli *cli, struct cli_nodes *nodes, const char *chain, char *text, size_t *size)
{
    struct slk_hash pinned = {{0}};
    struct desk d = {0};
    bool good = chain == NULL || text_hash_parse(pinned.b, chain, strlen(chain));

    cli->exit_code = CLI_UNSURE;
    if (!good)
        cli_fail(cli, CLI_UNSURE, "--chain: a chain id is 64 hexadecimal digits");
    good = good && desk_open_node(&d, cli, nodes);
    if (good && chain == NULL)
        cli_fail(cli, CLI_YES,
            "warning: this is the word of %s: give --chain HEX, the chain id from somebody you trust",
            d.where);
    if (good && chain != NULL && !is_first(d.base, &pinned)) {
        if (!slk_hash_equal(&d.place.chain_id, &pinned))
            cli->exit_code = cli_fail(cli, CLI_NO, "%s: serves another ledger than --chain says", d.where);
        else
            cli_fail(cli, CLI_UNSURE,
                "%s: its charter is not the first one of the chain, so the chain id alone does not show that "
                "it is right: `sillok "
                "audit --url %s --chain %s --keep DIR`, then `sillok policy DIR`",
                d.where, d.where, chain);
        good = false;
    }
    if (good)
        *size = slk_charter_policy(text, POLICY_ROOM, d.base);
    desk_close(&d);
    return good;
}

/* A policy that somebody else wrote, as it is. */
static bool policy_of_file(struct cli *cli, const char *file, char *text, size_t *size)
{
    struct slk_fault fault = {0};
    struct slk_policy *policy = NULL;
    uint8_t *bytes;
    enum slk_err err;

    cli->exit_code = CLI_UNSURE;
    if (!cli_read(cli, file, POLICY_ROOM, &bytes, size))
        return false;
    err = slk_policy_new(&policy, (const char *)bytes, *size, &fault);
    if (err == SLK_OK)
        memcpy(text, bytes, *size);
    else
        cli->exit_code = cli_fault(cli, CLI_UNSURE, file, err, &fault);
    slk_policy_free(policy);
    free(bytes);
    return err == SLK_OK;
}

static int run(struct cli *cli)
{
    const char *out = NULL, *old = NULL, *checkpoint = NULL, *chain = NULL, *from = NULL;
    struct cli_list witnesses = {0};
    struct cli_nodes nodes = {0};
    uint64_t threshold = 0;
    bool by_url, good;
    char *text;
    size_t size = 0;
    int code;
    const struct cli_option options[] = {
        CLI_OUT(&out, "where the policy goes (default: standard output)"),
        CLI_TEXT("update", "POLICY", &old,
            "an old policy: follow the charters that came after it, checking who approved them"),
        CLI_TEXT("checkpoint", "FILE", &checkpoint,
            "with --update: any checkpoint of this ledger that the old policy accepts"),
        CLI_NODE_OPTIONS(&nodes),
        CLI_TEXT("chain", "HEX", &chain, "with --url: the chain id it must have, from somebody you trust"),
        CLI_TEXT("from", "POLICY", &from, "read a policy file, by whoever made it, instead of a charter"),
        CLI_LIST("witness", "NAME=VKEY[ URL]", &witnesses,
            "want an outside witness's cosignature as well; again for each (C2SP tlog-witness)"),
        CLI_NUMBER(
            "threshold", "N", &threshold, 1, CLI_LIST_MAX, "so many of those are enough (default: all)"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    by_url = cli_nodes_wanted(cli, &nodes);
    if (by_url + (cli->args_n == 1) + (from != NULL) != 1 || (cli->args_n == 0 && old != NULL))
        return cli_fail(cli, CLI_UNSURE,
            "of which ledger? LEDGER or CHARTER, or a node with --url, or --from POLICY (both without "
            "--update): one "
            "of them");
    if (threshold > witnesses.n)
        return cli_fail(cli, CLI_UNSURE,
            witnesses.n == 0 ? "--threshold is of outside witnesses: name each with --witness"
                             : "--threshold is above the number of outside witnesses, %zu",
            witnesses.n);
    if ((old != NULL) != (checkpoint != NULL))
        return cli_fail(cli, CLI_UNSURE,
            "--update and --checkpoint go together: the checkpoint ties the old policy to the ledger");
    text = malloc(POLICY_ROOM);
    if (text == NULL)
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    if (from != NULL)
        good = policy_of_file(cli, from, text, &size);
    else if (old != NULL)
        good = cli_policy_update(cli, cli->args[0], old, checkpoint, text, POLICY_ROOM, &size);
    else
        good = by_url ? policy_of_node(cli, &nodes, chain, text, &size) : policy_of(cli, text, &size);
    cli_nodes_close(&nodes);
    if (good && size > 0 && witnesses.n > 0)
        good = policy_add_outside(cli, text, POLICY_ROOM, &size, &witnesses, threshold);
    if (!good)
        code = cli->exit_code;
    else if (size == 0)
        code = cli_fault(cli, CLI_UNSURE, NULL, SLK_E_TOO_LARGE, NULL);
    else
        code = cli_write(cli, out, text, size) ? CLI_YES : CLI_UNSURE;
    free(text);
    return code;
}

const struct cli_command cmd_policy = {
    .name = "policy",
    .usage = "LEDGER|CHARTER|--url URL [--chain HEX]|--from POLICY [-o FILE] [--witness NAME=VKEY]... "
             "[--update POLICY "
             "--checkpoint FILE]",
    .summary = "Print the trust policy that verifiers need",
    .about = "A C2SP tlog-policy file: the members' log keys, their cosigning keys, and how many must agree. "
             "Verifiers may use\n"
             "stricter ones. Hand it out over a way that verifiers trust: it is what their trust rests on.\n"
             "A node's charter is believed as far as --chain shows that it is the ledger's first.\n"
             "Who holds an old policy needs no such way: --update follows the changes since a checkpoint "
             "that it accepts.\n"
             "With --witness a checkpoint counts when these outside witnesses have cosigned it as well; "
             "nodes that ask "
             "them\n"
             "have them in [witnesses] of their configuration.",
    .run = run,
};
