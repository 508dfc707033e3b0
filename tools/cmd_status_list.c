/* cmd_status_list.c: `sillok status-list`: a status list from a ledger's own records, to hold against the one that a node signed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/embed/status_lists.h"
#include "ledger/verify/hash.h"
#include "net/status_token.h"
#include "tools/status_list_note.h"

#define TOKEN_MAX ((size_t)8 << 20)
#define KEYS_MAX  ((size_t)1 << 16)
#define STEP_ROWS ((uint64_t)1 << 18)
#define SHOWN_MAX 5

struct request {
    uint64_t type, n, size, time_s; /* size 0: up to `time_s`; time_s UINT64_MAX: of the last block */
    enum slk_status_form form;
};

struct made {
    struct slk_block_header place;
    uint64_t time_s;
    uint32_t places;
    uint8_t *bytes;
    size_t size;
    struct slk_hash hash;
};

/* ---- making ---- */

static bool read_rows(
    struct cli *cli, struct slk_store *store, struct slk_status_reader *reader, const struct request *request)
{
    const struct slk_status_until until = {
        request->size == 0 && request->time_s < UINT64_MAX / 1000 ? request->time_s * 1000 : UINT64_MAX,
        request->size == 0 ? UINT64_MAX : request->size};
    const struct slk_fault fault = {0};
    struct slk_block_header at;
    struct slk_view *view = NULL;
    bool done = false;
    enum slk_err err = slk_view_begin(&view, store);

    if (err == SLK_OK)
        err = slk_status_reader_types(reader, store, view);
    slk_status_lists_only(slk_status_reader_lists(reader), (uint32_t)request->type, (uint32_t)request->n);
    while (err == SLK_OK && !done) {
        err = slk_status_reader_follow(reader, store, view, &until, STEP_ROWS, &done);
        if (slk_status_reader_place(reader, &at))
            cli_progress_step(&cli->progress, "blocks", at.height + 1, slk_view_tip(view)->height + 1);
    }
    cli_progress_end(&cli->progress);
    slk_view_end(view);
    if (err != SLK_OK)
        cli->exit_code = cli_fault(cli, cli_code_of(err), slk_store_dir(store), err, &fault);
    return err == SLK_OK;
}

static bool check_place(struct cli *cli, const struct slk_status_reader *reader,
    const struct request *request, struct slk_block_header *place)
{
    if (!slk_status_reader_place(reader, place)) {
        cli->exit_code = cli_fail(cli, CLI_NO, "the ledger has no block that early");
        return false;
    }
    if (request->size == 0 || place->log_size == request->size)
        return true;
    cli->exit_code =
        cli_fail(cli, CLI_NO, "no block ends at log size %" PRIu64 ": the one before it ends at %" PRIu64,
            request->size, place->log_size);
    return false;
}

static bool print_list(struct cli *cli, const struct slk_status_reader *reader,
    const struct slk_status_lists *lists, const struct request *request, struct made *out)
{
    uint32_t type = (uint32_t)request->type, n = (uint32_t)request->n;

    out->places = slk_status_list_places(lists, type, n);
    if (out->places == 0) {
        cli->exit_code = slk_status_lists_count(lists, type) == 0
                             ? cli_fail(cli, CLI_NO, "the charter has no credential type %u", type)
                             : cli_fail(cli, CLI_NO, "type %u has lists 0 to %u", type,
                                   slk_status_lists_count(lists, type) - 1);
        return false;
    }
    if (!check_place(cli, reader, request, &out->place))
        return false;
    out->time_s = request->time_s != UINT64_MAX ? request->time_s : out->place.time_ms / 1000;
    out->size = slk_status_list_size(out->places, request->form);
    out->bytes = malloc(out->size);
    if (out->bytes == NULL) {
        cli->exit_code = cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
        return false;
    }
    slk_status_list_print(lists, type, n, request->form, out->time_s, out->bytes);
    slk_hash_bytes(&out->hash, out->bytes, out->size);
    return true;
}

static bool make(struct cli *cli, struct slk_store *store, const struct request *request, struct made *out)
{
    struct slk_status_reader *reader = NULL;
    bool good = false;

    *out = (struct made){0};
    if (slk_status_reader_new(&reader) != SLK_OK)
        cli->exit_code = cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    else
        good = read_rows(cli, store, reader, request) &&
               print_list(cli, reader, slk_status_reader_lists(reader), request, out);
    slk_status_reader_free(reader);
    return good;
}

/* ---- telling ---- */

static unsigned bits_of(enum slk_status_form form)
{
    return form == SLK_STATUS_TOKEN ? 2 : 1;
}

static unsigned value_at(const uint8_t *bytes, enum slk_status_form form, uint32_t i)
{
    return form == SLK_STATUS_TOKEN ? (unsigned)bytes[i / 4] >> 2 * (i % 4) & 3u
                                    : (unsigned)bytes[i / 8] >> (7 - i % 8) & 1u;
}

static int tell(const struct request *request, const struct made *made, bool json)
{
    char time[TEXT_TIME_SIZE], hash[TEXT_HEX_SIZE], root[TEXT_HEX_SIZE], count[TEXT_HUMAN_SIZE];
    uint64_t values[4] = {0};

    for (uint32_t i = 0; i < made->places; i++)
        values[value_at(made->bytes, request->form, i)]++;
    text_hex(hash, made->hash.b, SLK_HASH_SIZE);
    text_hex(root, made->place.log_root.b, SLK_HASH_SIZE);
    if (json) {
        cli_json(json_pack("{s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:[I,I,I,I], s:s}", "type",
            (json_int_t)request->type, "list", (json_int_t)request->n, "size",
            (json_int_t)made->place.log_size, "root", root, "time", (json_int_t)made->time_s, "places",
            (json_int_t)made->places, "bits", (json_int_t)bits_of(request->form), "values",
            (json_int_t)values[0], (json_int_t)values[1], (json_int_t)values[2], (json_int_t)values[3],
            "sha256", hash));
        return CLI_YES;
    }
    printf("list      %" PRIu64 " of type %" PRIu64 ", %s places of %u bit%s\n", request->n, request->type,
        text_count(count, made->places), bits_of(request->form),
        request->form == SLK_STATUS_TOKEN ? "s" : "");
    printf("as of     %s, log size %" PRIu64 "\n", text_time(time, made->time_s), made->place.log_size);
    if (request->form == SLK_STATUS_TOKEN)
        printf("values    %" PRIu64 " invalid, %" PRIu64 " suspended, the others valid or never issued\n",
            values[1], values[2]);
    else
        printf("values    %" PRIu64 " set\n", values[1]);
    printf("log root  %s\nsha256    %s\n", root, hash);
    return CLI_YES;
}

/* ---- comparing ---- */

/* The key in a JWK set that the token names. False after a message. */
static bool find_key(struct cli *cli, const char *file, const char *kid, uint8_t key[SLK_KEY_SIZE])
{
    uint8_t *bytes = NULL;
    size_t size = 0, i;
    json_t *set = NULL, *one;
    bool found = false;

    if (!cli_read(cli, file, KEYS_MAX, &bytes, &size)) {
        cli->exit_code = CLI_UNSURE;
        return false;
    }
    set = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
    json_array_foreach(json_object_get(set, "keys"), i, one)
    {
        const char *x = json_string_value(json_object_get(one, "x"));
        char name[SLK_STATUS_KID_SIZE];

        if (x == NULL || !slk_base64url_parse_key(key, x))
            continue;
        slk_status_kid(name, key); /* the name follows from the key: what the file calls it does not count */
        found = strcmp(name, kid) == 0;
        if (found)
            break;
    }
    json_decref(set);
    free(bytes);
    if (!found)
        cli->exit_code =
            cli_fail(cli, CLI_NO, "%s: the key that signed the list, %s, is not there", file, kid);
    return found;
}

bool cli_token_is_signed(struct cli *cli, const char *keys, const struct slk_status_token *token)
{
    uint8_t key[SLK_KEY_SIZE];

    if (!find_key(cli, keys, token->kid, key))
        return false;
    if (slk_status_token_is_signed_by(token, key))
        return true;
    cli->exit_code = cli_fail(cli, CLI_NO, "the signature is not right: somebody has changed this token");
    return false;
}

static int say_difference(
    const struct cli *cli, const struct made *made, const struct slk_status_token *token)
{
    enum slk_status_form form = slk_token_form(token->kind);
    uint64_t n = 0;

    if (made->size != token->list_size)
        return cli_fail(
            cli, CLI_NO, "the list has %zu bytes, the ledger's has %zu", token->list_size, made->size);
    for (uint32_t i = 0; i < made->places; i++) {
        unsigned is = value_at(token->list, form, i), should = value_at(made->bytes, form, i);

        if (is != should && n++ < SHOWN_MAX)
            fprintf(stderr, "place %" PRIu64 ": the list says %u, the ledger %u\n",
                (uint64_t)token->claims.n * SLK_STATUS_LIST_CUT + i, is, should);
    }
    return cli_fail(cli, CLI_NO, "the list is not the ledger's: %" PRIu64 " place%s differ%s", n,
        n == 1 ? "" : "s", n == 1 ? "s" : "");
}

static int compare(struct cli *cli, struct slk_store *store, const struct slk_status_token *token,
    const char *keys, bool json)
{
    const struct slk_status_claims *c = &token->claims;
    const struct request request = {c->type, c->n, c->size, c->iat_s, slk_token_form(token->kind)};
    struct slk_hash hash;
    struct made made;
    int code;

    if (keys != NULL && !cli_token_is_signed(cli, keys, token))
        return cli->exit_code;
    if (!slk_hash_equal(&c->chain_id, slk_store_chain_id(store)))
        return cli_fail(cli, CLI_NO, "the list is of another ledger: its chain id is not this one's");
    slk_hash_bytes(&hash, token->list, token->list_size);
    if (!slk_hash_equal(&hash, &c->list_hash))
        return cli_fail(cli, CLI_NO, "the list has not the hash that its token claims");
    if (c->size == 0)
        return cli_fail(cli, CLI_NO, "the token claims log size 0, at which there is no list");
    if (!make(cli, store, &request, &made)) {
        free(made.bytes);
        return cli->exit_code;
    }
    if (!slk_hash_equal(&made.place.log_root, &c->root))
        code = cli_fail(cli, CLI_NO,
            "the list claims another log root at size %" PRIu64 " than this ledger has", c->size);
    else if (made.size != token->list_size || memcmp(made.bytes, token->list, made.size) != 0)
        code = say_difference(cli, &made, token);
    else
        code = tell(&request, &made, json);
    if (code == CLI_YES && !json)
        printf("the list is the ledger's%s\n",
            keys != NULL ? ", and its signature is right" : "; its signature was not checked (--keys)");
    free(made.bytes);
    return code;
}

int cli_status_compare(
    struct cli *cli, struct slk_store *store, const char *token_file, const char *keys, bool json)
{
    struct slk_status_token token;
    struct slk_fault fault = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum slk_err err;
    int code;

    if (!cli_read(cli, token_file, TOKEN_MAX, &bytes, &size))
        return CLI_UNSURE;
    err = slk_status_token_parse(&token, slk_span_of(bytes, size), &fault);
    code = err == SLK_OK
               ? compare(cli, store, &token, keys, json)
               : cli_fault(cli, CLI_UNSURE, token_file, err, &fault); /* no list, so no lie either */
    slk_status_token_free(&token);
    free(bytes);
    return code;
}

/* ---- the command ---- */

static bool read_form(const char *text, enum slk_status_form *form)
{
    static const char *const names[] = {"token", "revocation", "suspension"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *form = (enum slk_status_form)(SLK_STATUS_TOKEN + i);
            return true;
        }
    }
    return false;
}

static int show(
    struct cli *cli, struct slk_store *store, const struct request *request, const char *out, bool json)
{
    struct made made;
    int code = make(cli, store, request, &made) ? tell(request, &made, json) : cli->exit_code;

    if (code == CLI_YES && out != NULL && !cli_write(cli, out, made.bytes, made.size))
        code = CLI_UNSURE;
    free(made.bytes);
    return code;
}

struct wishes {
    struct request request;
    struct list_check check;
    const char *form, *out, *token;
    uint64_t draw_n;
    bool json;
};

/* What was asked for, of files alone. */
static int run_offline(struct cli *cli, const struct list_check *check)
{
    if (check->note == NULL || check->policy == NULL)
        return cli_fail(cli, CLI_UNSURE,
            "--check needs the proof that a node gives with the list (?proof) as --note, and your --policy");
    if (cli->args_n > 0)
        return cli_fail(cli, CLI_UNSURE, "--check asks no ledger: leave DIR away, or use --compare");
    return cli_list_check(cli, check);
}

/* CLI_YES: of a ledger this can be asked. */
static int judge_wishes(struct cli *cli, struct wishes *w)
{
    const struct list_check *check = &w->check;

    if (cli->args_n == 0)
        return cli_fail(cli, CLI_UNSURE, "which ledger? Give its directory; without one there is --check");
    if (!read_form(w->form, &w->request.form))
        return cli_fail(cli, CLI_UNSURE, "--form: token, revocation or suspension");
    if (w->token == NULL && check->note == NULL &&
        (w->request.type > UINT32_MAX || w->request.n > UINT32_MAX))
        return cli_fail(cli, CLI_UNSURE, "say which list: --type CODE, and --list N if it is not the first");
    if (w->token != NULL && w->out != NULL)
        return cli_fail(cli, CLI_UNSURE, "--compare writes nothing: leave --out away");
    if ((w->token != NULL) + (check->note != NULL) + (w->draw_n > 0) > 1)
        return cli_fail(cli, CLI_UNSURE, "--compare, --note and --draw are asked one at a time");
    if (check->place != UINT64_MAX)
        return cli_fail(cli, CLI_UNSURE, "--place goes with --check; `sillok history` knows one credential");
    if (check->max_age != NULL || check->now != NULL)
        return cli_fail(cli, CLI_UNSURE, "%s goes with --check; a ledger makes lists as of --time or --size",
            check->max_age != NULL ? "--max-age" : "--now");
    return CLI_YES;
}

static int run_on_ledger(struct cli *cli, struct wishes *w)
{
    struct slk_store *store;
    int code = judge_wishes(cli, w);

    if (code != CLI_YES)
        return code;
    store = cli_open_store(cli, cli->args[0]);
    if (store == NULL)
        return cli->exit_code;
    if (w->draw_n > 0)
        code = cli_list_draw(cli, store, (uint32_t)w->request.type, w->draw_n, w->json);
    else if (w->token == NULL && w->check.note != NULL)
        code = cli_list_judge(cli, store, w->check.note, w->check.policy, w->json);
    else
        code = w->token != NULL ? cli_status_compare(cli, store, w->token, w->check.keys, w->json)
                                : show(cli, store, &w->request, w->out, w->json);
    slk_store_close(store);
    return code;
}

static int run(struct cli *cli)
{
    struct wishes w = {.request = {.type = UINT64_MAX, .time_s = UINT64_MAX},
        .check = {.place = UINT64_MAX},
        .form = "token"};
    const struct cli_option options[] = {
        CLI_TEXT("check", "TOKEN", &w.check.token,
            "offline, without a ledger: is this list what a quorum signed? With --note and --policy"),
        CLI_TEXT("note", "FILE", &w.check.note,
            "what a quorum signed: the proof (LIST?proof), or of DIR also the note of all lists"),
        CLI_TEXT("policy", "FILE", &w.check.policy, "the trust policy that says what a quorum is"),
        CLI_NUMBER("place", "N", &w.check.place, 0, CLI_NUMBER_MAX,
            "with --check: the status in this place (status_index, less "
            "1,048,576 for each list before)"),
        CLI_NUMBER("draw", "N", &w.draw_n, 1, LIST_DRAW_MAX,
            "N places of this type that were never used, by chance: for ISSUE events"),
        CLI_TEXT("max-age", "AGE", &w.check.max_age,
            "with --check: refuse lists that are older: seconds, or 15m, 24h, 7d"),
        CLI_TEXT("now", "TIME", &w.check.now,
            "with --check: the time to judge by, instead of this machine's clock"),
        CLI_TEXT(
            "compare", "TOKEN", &w.token, "a list that a node signed (JWT or CWT): is it this ledger's?"),
        CLI_TEXT("keys", "JWKS", &w.check.keys,
            "with --compare or --check: check the token's signature by this node's /v1/keys, saved"),
        CLI_NUMBER("type", "CODE", &w.request.type, 1, UINT32_MAX,
            "the credential type, by its code in the charter"),
        CLI_NUMBER("list", "N", &w.request.n, 0, UINT32_MAX,
            "which of its lists, of 1,048,576 places each (default 0)"),
        CLI_NUMBER("size", "N", &w.request.size, 1, CLI_NUMBER_MAX,
            "as of this log size (default: of the last block)"),
        CLI_NUMBER("time", "UNIX_S", &w.request.time_s, 0, TEXT_TIME_MAX_S,
            "as of this time; without --size also the blocks end there (default: the block's time)"),
        CLI_TEXT("form", "FORM", &w.form, "token (2 bits, default), revocation or suspension (W3C, 1 bit)"),
        CLI_OUT(&w.out, "write the list's bytes, not compressed, to FILE"),
        CLI_FLAG("json", &w.json, "a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    w.check.json = w.json;
    return w.check.token != NULL ? run_offline(cli, &w.check) : run_on_ledger(cli, &w);
}

const struct cli_command cmd_status_list = {
    .name = "status-list",
    .usage =
        "DIR --type CODE | DIR --compare TOKEN | DIR --note FILE | --check TOKEN --note FILE --policy FILE",
    .summary = "Make a status list from a ledger's records, or check one that a node signed",
    .about = "A status list is a function of the ledger up to a log size, and of a time: whoever has the "
             "ledger makes the\n"
             "same bytes. A token says both. `sillok audit` first proves the ledger and its records; then "
             "this proves\n"
             "a list: `curl NODE/v1/status-lists/1/0 > t; sillok status-list DIR --compare t`.\n"
             "\n"
             "Who has no ledger has the members' word: `curl NODE/v1/status-lists/1/0?cosigned > t`, the "
             "same with\n"
             "?proof > p, then offline `sillok status-list --check t --note p --policy POLICY --place 17`.\n"
             "A list that has expired is refused, with --max-age also one that is "
             "older; TIME is Unix seconds or\n"
             "UTC like 2026-07-01T09:00:00Z.\n"
             "`DIR --note p` is for who has a ledger: it makes all lists, and holds them against what was "
             "signed.\n"
             "\n"
             "Whoever issues draws places by --draw, also for credentials of nobody (decoys), which nothing "
             "tells from others.\n"
             "\n"
             "Values: 0 valid or never issued, 1 invalid (revoked or expired), 2 suspended (locked).\n"
             "\n"
             "Exit: 0 made, or equal; 1 not; 2 could not tell.",
    .run = run,
};
