/* policy_outside.c: see policy_outside.h. The text is edited, so that comments and order stay; what comes of it is read again. */
#include "tools/policy_outside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ledger/verify/policy.h"

#define OUTSIDE "outside"
#define BOTH    "and-outside"

static void print(struct slk_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void print(struct slk_writer *w, const char *format, ...)
{
    char line[1024];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(line))
        w->bad = true;
    else
        slk_write_bytes(w, line, (size_t)n);
}

/* The name on the quorum line, and where that line begins and ends. False: there is none. */
static bool find_quorum(struct slk_span text, struct slk_span *line, struct slk_span *name)
{
    struct slk_span rest = text;

    while (slk_span_take(line, &rest, '\n')) {
        const char *at = (const char *)line->at;
        size_t skip = 0, n;

        while (skip < line->size && (at[skip] == ' ' || at[skip] == '\t'))
            skip++;
        if (line->size - skip < 7 || memcmp(at + skip, "quorum", 6) != 0 ||
            (at[skip + 6] != ' ' && at[skip + 6] != '\t'))
            continue;
        for (skip += 6; skip < line->size && (at[skip] == ' ' || at[skip] == '\t');)
            skip++;
        for (n = 0; skip + n < line->size && at[skip + n] != ' ' && at[skip + n] != '\t';)
            n++;
        *name = slk_span_of(at + skip, n);
        return n > 0;
    }
    return false;
}

/* One witness's line. False after a message. */
static bool print_witness(struct cli *cli, struct slk_writer *w, const char *given)
{
    const char *equals = strchr(given, '='), *key = equals != NULL ? equals + 1 : "";
    size_t name_n = equals != NULL ? (size_t)(equals - given) : 0, key_n = strcspn(key, " ");
    struct slk_vkey vkey;

    if (name_n == 0 || name_n > SLK_NAME_MAX) {
        cli->exit_code = cli_fail(cli, CLI_UNSURE, "--witness: expected NAME=VKEY, not '%.80s'", given);
        return false;
    }
    if (slk_vkey_parse(&vkey, key, key_n) != SLK_OK || vkey.type != SLK_SIG_COSIGNATURE_V1) {
        cli->exit_code = cli_fail(cli, CLI_UNSURE,
            "--witness %.*s: not a witness's verifier key, or mistyped: copy it again from its operator",
            (int)name_n, given);
        return false;
    }
    print(w, "witness %.*s %s\n", (int)name_n, given, key);
    return true;
}

static bool print_end(struct cli *cli, struct slk_writer *w, struct slk_span quorum,
    const struct cli_list *witnesses, uint64_t threshold)
{
    bool is_none = slk_span_equal(quorum, slk_span_of("none", 4));

    print(w, "# Of these outside witnesses %" PRIu64 " must have cosigned it, too.\n",
        threshold == 0 ? (uint64_t)witnesses->n : threshold);
    for (size_t i = 0; i < witnesses->n; i++)
        if (!print_witness(cli, w, witnesses->at[i]))
            return false;
    if (threshold == 0)
        print(w, "group " OUTSIDE " all");
    else
        print(w, "group " OUTSIDE " %" PRIu64, threshold);
    for (size_t i = 0; i < witnesses->n; i++)
        print(w, " %.*s", (int)strcspn(witnesses->at[i], "="), witnesses->at[i]);
    if (is_none)
        print(w, "\nquorum " OUTSIDE "\n");
    else
        print(w, "\ngroup %.*s-" BOTH " all %.*s " OUTSIDE "\nquorum %.*s-" BOTH "\n", (int)quorum.size,
            (const char *)quorum.at, (int)quorum.size, (const char *)quorum.at, (int)quorum.size,
            (const char *)quorum.at);
    return true;
}

static bool check(struct cli *cli, const char *text, size_t size)
{
    struct slk_policy *policy;
    struct slk_fault fault;
    enum slk_err err = slk_policy_new(&policy, text, size, &fault);

    if (err != SLK_OK)
        cli->exit_code = cli_fault(cli, CLI_UNSURE, "the policy with the outside witnesses", err, &fault);
    slk_policy_free(policy);
    return err == SLK_OK;
}

bool policy_add_outside(struct cli *cli, char *text, size_t cap, size_t *size,
    const struct cli_list *witnesses, uint64_t threshold)
{
    struct slk_span whole = slk_span_of(text, *size), line, name;
    struct slk_writer w = {.at = malloc(cap), .cap = cap};
    const uint8_t *behind;
    bool good = false;

    if (w.at == NULL) {
        cli->exit_code = cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
        return false;
    }
    if (!find_quorum(whole, &line, &name)) {
        cli->exit_code =
            cli_fail(cli, CLI_UNSURE, "the policy has no quorum line to which witnesses could be added");
    } else {
        behind = line.at + line.size + 1;
        slk_write_bytes(&w, whole.at, (size_t)(line.at - whole.at));
        slk_write_bytes(&w, behind, (size_t)(whole.at + whole.size - behind));
        good = print_end(cli, &w, name, witnesses, threshold);
        if (good && w.bad)
            cli->exit_code = cli_fault(cli, CLI_UNSURE, NULL, SLK_E_TOO_LARGE, NULL);
        good = good && !w.bad && check(cli, (const char *)w.at, w.size);
    }
    if (good) {
        memcpy(text, w.at, w.size);
        *size = w.size;
    }
    free(w.at);
    return good;
}
