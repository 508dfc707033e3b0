/* cmd_simulate.c: `sillok simulate`: a country in a file. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/charter_text.h"
#include "tools/cli.h"
#include "tools/ndjson.h"
#include "tools/simulate.h"

#define EVENTS_MAX UINT64_C(1000000000000)

struct simulate {
    const char *out, *keys_dir, *charter_file, *start;
    struct slk_sim_options options;
    bool json;
    uint64_t valid_n, faults_n, kinds[SLK_KIND_N], last_s;
};

static bool public_of_seed(uint8_t public_key[SLK_KEY_SIZE], const uint8_t seed[32])
{
    struct slk_key *key = NULL;

    if (slk_key_from_seed(&key, seed) != SLK_OK)
        return false;
    memcpy(public_key, slk_key_public(key), SLK_KEY_SIZE);
    slk_key_free(key);
    return true;
}

static bool save_key(
    const struct cli *cli, const char *dir, const char *stem, const char *use, const uint8_t seed[32])
{
    struct slk_fault fault = {0};
    struct slk_key *key = NULL;
    char path[4096];
    enum slk_err err = slk_key_from_seed(&key, seed);

    snprintf(path, sizeof(path), "%s/%s%s%s.pem", dir, stem, use[0] != '\0' ? "." : "", use);
    if (err == SLK_OK)
        err = slk_key_save(key, path, &fault);
    if (err != SLK_OK)
        cli_fault(cli, 0, NULL, err, &fault);
    slk_key_free(key);
    return err == SLK_OK;
}

static bool write_keys(const struct cli *cli, const struct simulate *s)
{
    char name[SLK_CHARTER_NAME_MAX + 1];
    uint8_t seed[32];

    if (mkdir(s->keys_dir, 0700) != 0 && errno != EEXIST) {
        cli_fail(cli, 0, "%s: %s", s->keys_dir, strerror(errno));
        return false;
    }
    for (unsigned i = 0; i <= SLK_SIM_STRANGER; i++) {
        slk_sim_issuer_seed(seed, s->options.seed, i);
        if (!save_key(cli, s->keys_dir, slk_sim_issuer_name(name, i), "", seed))
            return false;
    }
    for (unsigned m = 0; m < SLK_SIM_MEMBERS; m++)
        for (unsigned k = 0; k < SLK_SIM_KEYS; k++) {
            slk_sim_member_seed(seed, s->options.seed, m, (enum slk_sim_key)k);
            if (!save_key(
                    cli, s->keys_dir, slk_sim_member_name(m), slk_sim_key_name((enum slk_sim_key)k), seed))
                return false;
        }
    return true;
}

static bool write_charter(const struct cli *cli, const struct simulate *s)
{
    struct slk_charter *charter = malloc(sizeof(*charter));
    char *text = malloc(SLK_CHARTER_TEXT_MAX);
    size_t size = 0;
    bool good = false;

    if (charter != NULL && text != NULL && slk_sim_charter(charter, &s->options, public_of_seed))
        size = slk_charter_text_format(text, SLK_CHARTER_TEXT_MAX, charter);
    if (size > 0)
        good = cli_write(cli, s->charter_file, text, size);
    else
        cli_fault(cli, 0, s->charter_file, SLK_E_NOMEM, NULL);
    free(charter);
    free(text);
    return good;
}

/* The issuers' names as events need them, made once. */
static char (*issuer_names(void))[SLK_CHARTER_NAME_MAX + 1]
{
    char(*names)[SLK_CHARTER_NAME_MAX + 1] = malloc((SLK_SIM_STRANGER + 1) * sizeof(*names));

    for (unsigned i = 0; names != NULL && i <= SLK_SIM_STRANGER; i++)
        slk_sim_issuer_name(names[i], i);
    return names;
}

static bool write_stream(struct cli *cli, struct simulate *s, struct slk_sim *sim, FILE *out)
{
    char(*names)[SLK_CHARTER_NAME_MAX + 1] = issuer_names();
    struct slk_sim_item item;
    char line[NDJSON_FORMAT_MAX];
    bool good = names != NULL;

    while (good && slk_sim_next(sim, &item)) {
        size_t size = ndjson_format(line, sizeof(line), &item.event, names[item.issuer], item.expect);

        good = size > 0 && fwrite(line, 1, size, out) == size;
        if (item.expect != SLK_RULE_OK) {
            s->faults_n++;
            continue;
        }
        s->kinds[item.event.kind]++;
        s->last_s = item.event.occurred_at_s;
        if (++s->valid_n % 4096 == 0)
            cli_progress_step(&cli->progress, "simulating", s->valid_n, s->options.events);
    }
    cli_progress_end(&cli->progress);
    free(names);
    return good;
}

static void summary_json(
    const struct simulate *s, uint64_t credentials_n, const char *story, const char *absent)
{
    char first[TEXT_TIME_SIZE], last[TEXT_TIME_SIZE];

    cli_json(json_pack("{s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s}", "seed", (json_int_t)s->options.seed,
        "events", (json_int_t)s->valid_n, "faults", (json_int_t)s->faults_n, "credentials",
        (json_int_t)credentials_n, "from", text_time(first, s->options.start_s), "to",
        text_time(last, s->last_s), "story", story, "absent", absent));
}

static void summary_text(
    FILE *to, const struct simulate *s, uint64_t credentials_n, const char *story, const char *absent)
{
    char a[TEXT_HUMAN_SIZE], b[TEXT_HUMAN_SIZE], first[TEXT_TIME_SIZE], last[TEXT_TIME_SIZE];

    fprintf(to, "%s events about %s credentials, %.10s to %.10s\n", text_count(a, s->valid_n),
        text_count(b, credentials_n), text_time(first, s->options.start_s), text_time(last, s->last_s));
    for (unsigned k = SLK_ISSUE; k < SLK_KIND_N; k++)
        fprintf(to, "  %-8s %12s\n", slk_kind_name((enum slk_kind)k), text_count(a, s->kinds[k]));
    if (s->faults_n > 0)
        fprintf(to, "  and %s events that must be refused (submit with --verify-verdicts)\n",
            text_count(a, s->faults_n));
    fprintf(to, "a life to follow   %s\nnever issued       %s\n", story, absent);
}

static int write_all(struct cli *cli, struct simulate *s)
{
    bool to_stdout = s->out == NULL || strcmp(s->out, "-") == 0;
    struct slk_sim *sim = slk_sim_new(&s->options);
    FILE *out = sim == NULL ? NULL : to_stdout ? stdout : fopen(s->out, "wb");
    char story[TEXT_HEX_SIZE], absent[TEXT_HEX_SIZE];
    uint8_t handle[SLK_HANDLE_SIZE];
    bool good = false;

    if (sim == NULL)
        cli_fail(
            cli, 0, "the options do not fit together (or not into memory): see `sillok simulate --help`");
    else if (out == NULL)
        cli_fail(cli, 0, "%s: %s", s->out, strerror(errno));
    else {
        good = write_stream(cli, s, sim, out);
        good = (to_stdout ? fflush(out) : fclose(out)) == 0 && good;
        if (!good)
            cli_fail(cli, 0, "%s: %s", to_stdout ? "standard output" : s->out, strerror(errno));
    }
    if (good) {
        slk_sim_story(sim, handle);
        text_hex(story, handle, sizeof(handle));
        slk_sim_absent(sim, handle);
        text_hex(absent, handle, sizeof(handle));
        if (s->json && !to_stdout)
            summary_json(s, slk_sim_credentials_n(sim), story, absent);
        else
            summary_text(to_stdout ? stderr : stdout, s, slk_sim_credentials_n(sim), story, absent);
    }
    slk_sim_free(sim);
    return good ? CLI_YES : CLI_UNSURE;
}

/* Events, days and credentials follow from each other when some are not given. */
static bool settle(const struct cli *cli, struct simulate *s)
{
    struct slk_sim_options *o = &s->options;

    if (s->start != NULL && !text_time_parse(&o->start_s, s->start, strlen(s->start))) {
        cli_fail(cli, 0, "--start: not a time: write it like 2026-01-05 or 2026-01-05T00:00:00Z");
        return false;
    }
    if (o->start_s % 3600 != 0) {
        cli_fail(cli, 0, "--start: give a full hour, like 2026-01-05T09:00:00Z");
        return false;
    }
    if (o->days == 0 && o->events == 0)
        o->days = SLK_SIM_DAYS;
    if (o->credentials == 0 && o->events != 0)
        o->credentials = o->events * (100 - o->existing_percent) / 100 + 1;
    if (o->credentials > SLK_SIM_MAX)
        o->credentials = SLK_SIM_MAX; /* the events beyond are about these */
    if (o->credentials == 0)
        o->credentials = SLK_SIM_CREDENTIALS;
    return true;
}

static int run(struct cli *cli)
{
    struct simulate s = {
        .options = {.seed = 1, .start_s = SLK_SIM_START_S, .existing_percent = SLK_SIM_EXISTING}};
    struct slk_sim_options *o = &s.options;
    const struct cli_option options[] = {
        CLI_NUMBER("seed", "N", &o->seed, 0, UINT64_MAX,
            "the same seed and options give the same bytes (default 1)"),
        CLI_NUMBER("events", "N", &o->events, 1, EVENTS_MAX, "stop after N valid events"),
        CLI_NUMBER("days", "D", &o->days, 1, SLK_SIM_DAYS_MAX,
            "stop after D days (default 60; beyond 60: offices nationwide)"),
        CLI_TEXT("start", "TIME", &s.start, "when it begins (default 2026-01-05T00:00:00Z)"),
        CLI_NUMBER("credentials", "N", &o->credentials, 1, SLK_SIM_MAX,
            "issue about N credentials (default 80000, or what N events allow)"),
        CLI_NUMBER("existing", "PERCENT", &o->existing_percent, 0, 90,
            "share of events about existing credentials (default 30)"),
        CLI_FLAG(
            "burst", &o->burst, "a carrier's breach two thirds into the time: mass locks within four hours"),
        CLI_NUMBER("faults", "PERCENT", &o->fault_percent, 0, 100,
            "beside them, events that must be refused, each with \"expect\""),
        CLI_TEXT("keys", "DIR", &s.keys_dir, "write the simulated issuers' and members' private keys there"),
        CLI_TEXT("charter", "FILE", &s.charter_file, "write the charter under which the stream is valid"),
        CLI_OUT(&s.out, "where the events go (default: standard output)"),
        CLI_FLAG("json", &s.json, "the summary as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 0))
        return cli->exit_code;
    if (!settle(cli, &s) || (s.keys_dir != NULL && !write_keys(cli, &s)) ||
        (s.charter_file != NULL && !write_charter(cli, &s)))
        return CLI_UNSURE;
    return write_all(cli, &s);
}

const struct cli_command cmd_simulate = {
    .name = "simulate",
    .usage = "[--seed N] [--events N | --days D] [--keys DIR] [--charter FILE] [-o FILE]",
    .summary = "Write a realistic stream of events: a country in a file",
    .about = "Nine pilot municipalities, then offices nationwide, the ministry's online service, the mint, "
             "the police, three\n"
             "carriers' desks; chip cards and phones valid for three years; losses reported by carriers and "
             "locked, things found\n"
             "and unlocked, new phones bound, renewals in waves, revocations and re-issues. All of it is "
             "valid in this order:\n"
             "\n"
             "  sillok simulate --seed 7 --keys keys --charter charter.ini -o events.ndjson\n"
             "  sillok init ledger --charter charter.ini\n"
             "  sillok submit ledger events.ndjson --keys keys --clock events \\\n"
             "    --log-key keys/interior-ministry.log.pem --cosign-key keys/interior-ministry.cosign.pem\n"
             "\n"
             "The keys follow from the seed: whoever knows it has them. Never use them for anything real.",
    .run = run,
};
