/* A node's configuration and its log lines: what is accepted, what is refused, and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/config.h"

#define KEY   "00112233445566778899aabbccddeeff00112233445566778899aabbccddee0f"
#define W1    "w.example/a+c6f42b8d+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
#define W2    "w.example/b+a67006ef+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
#define LEAST "[node]\ndir = /var/lib/l\nagency = 3\nnode_key = /etc/n.pem\n"

static enum slk_err read_text(struct slk_config *out, const char *text, struct slk_fault *fault)
{
    return slk_config_read(out, slk_span_of((const uint8_t *)text, strlen(text)), fault);
}

static void refused(const char *text, size_t line, const char *why)
{
    struct slk_config config;
    struct slk_fault fault;

    assert_int_equal(read_text(&config, text, &fault), SLK_E_MALFORMED);
    assert_int_equal(fault.line, line);
    if (strstr(fault.text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", fault.text, why);
}

static void what_must_be_given_is_enough_and_the_rest_has_defaults(void **state)
{
    struct slk_config c;
    struct slk_fault fault;

    (void)state;
    assert_int_equal(read_text(&c, LEAST, &fault), SLK_OK);
    assert_string_equal(c.dir, "/var/lib/l");
    assert_int_equal(c.agency, 3);
    assert_string_equal(c.vote_key, "");
    assert_string_equal(c.listen.host, "");
    assert_int_equal(c.http_connections, 4096);
    assert_int_equal(c.http_address_streams, 16);
    assert_int_equal(c.log_level, SLK_SAY_INFO);
    assert_int_equal(c.log_json, 0);
    assert_int_equal(c.addresses_n, 0);
}

#define MOST                                                                                                 \
    LEAST "vote_key = /v\nlog_key = /l\ncosign_key = /c\nthreads = 4\n"                                      \
          "next_vote_key = /w\nnext_log_key = /m\nnext_cosign_key = /d\nnext_node_key = /o\n"                \
          "[peers]\n  listen = [::1]:7150\nguests = 3 ; a remark\ndelta_ms = 50\n"                           \
          "[http]\nlisten = 127.0.0.1:0\nsocket = /run/s\nconnections = 10\naddress_streams = 9\nanywhere = yes\n"                \
          "[status]\nlist_key = /s\nuri = https://a/b\nttl = 60\nlifetime = 61\nhistory = yes\ncosign = 7\n" \
          "[log]\nlevel = debug\nformat = json\n[addresses]\n2 = node2.example:7150\n# x\n9 = "              \
          "10.0.0.9:1 " KEY "\n"
/* What goes not together with some of that. */
#define REST                                                                                                 \
    LEAST "vouched = yes\n[http]\ntls_listen = a:1\ncertificate = /e\nkey = /k\nreaders = /r\n"              \
          "submitters = /s\n"
#define WITNESSES                                                                                            \
    LEAST "[witnesses]\nevery = 2\ntimeout = 3\nneeded = 2\nhold = 0\nca_file = /ca\n"                       \
          "one = " W1 " https://one.example/w/\ntwo.b = " W2 " http://[::1]:7\n"

static bool says(const char *text, const char *section, const char *name)
{
    char mark[64];
    const char *from, *to, *at;

    (void)snprintf(mark, sizeof(mark), "[%s]\n", section);
    from = strstr(text, mark);
    if (from == NULL)
        return false;
    to = strstr(from + 1, "\n[");
    (void)snprintf(mark, sizeof(mark), "%s = ", name);
    for (at = strstr(from, mark); at != NULL; at = strstr(at + 1, mark))
        if (at[-1] == '\n' || at[-1] == ' ')
            break;
    return at != NULL && (to == NULL || at < to);
}

/* The keys of the sample are all there are: each stands in one of the texts above, so that somebody has looked where it goes. */
static void no_key_is_left_out_here(void **state)
{
    char *sample = slk_config_sample(), section[32] = "", name[32], is[2];
    size_t n = 0;

    (void)state;
    assert_non_null(sample);
    for (const char *line = sample; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1) {
        if (sscanf(line, "[%31[a-z]]", section) == 1)
            continue;
        line += strncmp(line, "# ", 2) == 0 ? 2 : 0;
        if (sscanf(line, "%31[a-z_] %1[=] ", name, is) != 2)
            continue;
        n++;
        if (!says(MOST, section, name) && !says(REST, section, name) && !says(WITNESSES, section, name))
            fail_msg("%s in [%s] is read by no test", name, section);
    }
    assert_true(n >= 37);
    free(sample);
}

static void every_key_is_read(void **state)
{
    struct slk_config c;
    struct slk_fault fault;

    (void)state;
    assert_int_equal(read_text(&c, MOST, &fault), SLK_OK);
    assert_string_equal(c.vote_key, "/v");
    assert_string_equal(c.log_key, "/l");
    assert_string_equal(c.cosign_key, "/c");
    assert_string_equal(c.next_vote_key, "/w");
    assert_string_equal(c.next_log_key, "/m");
    assert_string_equal(c.next_cosign_key, "/d");
    assert_string_equal(c.next_node_key, "/o");
    assert_int_equal(c.threads, 4);
    assert_string_equal(c.listen.host, "::1");
    assert_int_equal(c.listen.port, 7150);
    assert_int_equal(c.guests, 3);
    assert_int_equal(c.delta_ms, 50);
    assert_string_equal(c.http.host, "127.0.0.1");
    assert_int_equal(c.http.port, 0);
    assert_string_equal(c.http_socket, "/run/s");
    assert_int_equal(c.http_connections, 10);
    assert_int_equal(c.http_address_streams, 9);
    assert_int_equal(c.http_anywhere, 1);
    assert_string_equal(c.list_key, "/s");
    assert_string_equal(c.list_uri, "https://a/b");
    assert_int_equal(c.list_ttl_s, 60);
    assert_int_equal(c.list_lifetime_s, 61);
    assert_int_equal(c.list_history, 1);
    assert_int_equal(c.list_cosign_s, 7);
    assert_int_equal(c.log_level, SLK_SAY_DEBUG);
    assert_int_equal(c.log_json, 1);
    assert_int_equal(c.addresses_n, 2);
    assert_int_equal(c.addresses[1].agency, 9);
    assert_string_equal(c.addresses[1].at.host, "10.0.0.9");
    assert_int_equal(c.addresses[1].at.port, 1);
    assert_false(c.addresses[0].has_key);
    assert_true(c.addresses[1].has_key);
    assert_int_equal(c.addresses[1].node_key[31], 0x0f);
    assert_int_equal(read_text(&c, REST, &fault), SLK_OK);
    assert_int_equal(c.vouched, 1);
    assert_string_equal(c.https.host, "a");
    assert_string_equal(c.https_certificate, "/e");
    assert_string_equal(c.https_key, "/k");
    assert_string_equal(c.https_readers, "/r");
    assert_string_equal(c.https_submitters, "/s");
}

static void outside_witnesses_have_names_keys_and_addresses(void **state)
{
    static struct slk_config c, other;
    struct slk_fault fault;

    (void)state;
    assert_int_equal(read_text(&c, WITNESSES, &fault), SLK_OK);
    assert_int_equal(c.witness_every_s, 2);
    assert_int_equal(c.witness_timeout_s, 3);
    assert_int_equal(c.witness_needed, 2);
    assert_int_equal(c.witness_hold_s, 0);
    assert_string_equal(c.witness_ca, "/ca");
    assert_int_equal(c.witnesses_n, 2);
    assert_string_equal(c.witnesses[0].label, "one");
    assert_string_equal(c.witnesses[0].url, "https://one.example/w");
    assert_string_equal(c.witnesses[1].label, "two.b");
    assert_string_equal(c.witnesses[1].vkey.name, "w.example/b");
    other = c;
    assert_null(slk_config_needs_start(&c, &other));
    other.witnesses_n--;
    assert_string_equal(slk_config_needs_start(&c, &other), "witnesses");
    other = c;
    other.witness_hold_s = 1;
    assert_string_equal(slk_config_needs_start(&c, &other), "witnesses.hold");
}

static void mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    refused("", 0, "dir is missing in [node]");
    refused("[node]\ndir = /l\n", 0, "agency is missing");
    refused(LEAST "threds = 1\n", 5, "no key threds in [node]");
    refused(LEAST "[pears]\nlisten = a:1\n", 6, "no section [pears]");
    refused("dir = /l\n", 1, "before any [section]");
    refused(LEAST "agency = 4\n", 5, "agency stands twice in [node]");
    refused(LEAST "threads = 65\n", 5, "write a number from 0 to 64");
    refused(LEAST "threads = -1\n", 5, "write a number");
    refused(LEAST "threads = 99999999999999999999\n", 5, "write a number");
    refused(LEAST "threads = 01\n", 5, "write a number");
    refused(LEAST "threads =\n", 5, "write a number");
    refused(LEAST "[peers]\nlisten = 7150\n", 6, "write host:port");
    refused(LEAST "[peers]\nlisten = ::1:7150\n", 6, "write host:port");
    refused(LEAST "[peers]\nlisten = a:70000\n", 6, "write host:port");
    refused(LEAST "[http]\nanywhere = maybe\n", 6, "write yes or no");
    refused(LEAST "[status]\nlist_key = /s\n", 0, "give both or none");
    refused(LEAST "[status]\nttl = 86401\n", 0, "less than ttl");
    refused(LEAST "[log]\nlevel = loud\n", 6, "write error, warn, info or debug");
    refused(LEAST "[log]\nformat = xml\n", 6, "write text or json");
    refused(LEAST "[addresses]\ntwo = a:1\n", 6, "write an agency's number");
    refused(LEAST "[addresses]\n2 = a\n", 6, "write host:port");
    refused(LEAST "[addresses]\n2 = a:0\n", 6, "write host:port");
    refused(LEAST "[addresses]\n2 = a:1 0123\n", 6, "the node key as 64");
    refused(LEAST "[addresses]\n2 = a:1 " KEY "0\n", 6, "the node key as 64");
    refused(LEAST "[addresses]\n2 = a:1\n2 = b:1\n", 7, "has an address already");
    refused(LEAST "log_key = /l\n", 0, "a checkpoint needs both keys");
    refused(LEAST "next_node_key = pkcs11:object=n\n", 5, "is for TLS and stays in a file");
    refused(LEAST "vote_key = pkcs11:object=v?pin-value=77\n", 5, "use pin-source");
    refused(LEAST "[http]\nsocket = pkcs11:object=v\n", 6, "is no key");
    refused(LEAST "vouched = yes\nvote_key = /v\n", 0, "who signs checks everything");
    refused(LEAST "[http]\ntls_listen = 0.0.0.0:443\n", 0, "needs a certificate and its key");
    refused(LEAST "[http]\nreaders = /r\n", 0, "they need tls_listen");
    refused(LEAST
        "[http]\nanywhere = yes\ntls_listen = 0.0.0.0:1\ncertificate = /c\nkey = /k\nreaders = /r\n",
        0, "anywhere = yes would let in");
    refused(LEAST "[http]\nkey = pkcs11:object=k\n", 6, "stays in a file");
    refused(LEAST "nonsense\n", 5, "neither [section] nor key = value");
    refused("[node]\ndir =\n", 2, "dir is empty");
    refused(LEAST "[witnesses]\na = " W1 "\n", 6, "a in [witnesses]: write its verifier key");
    refused(LEAST "[witnesses]\na = " W1 " ftp://a\n", 6, "starts with https://");
    refused(LEAST "[witnesses]\na b = " W1 " https://a\n", 6, "called by up to 32 letters");
    refused(
        LEAST "[witnesses]\na = " W1 " http://a\na = " W2 " http://b\n", 7, "a stands twice in [witnesses]");
    refused(LEAST "[witnesses]\na = " W1 " http://a\nb = " W1 " http://b\n", 7, "have the same key");
    refused(LEAST "[witnesses]\nevery = 0\n", 6, "write a number from 1 to 3600");
    refused(LEAST "[witnesses]\nneeded = 2\na = " W1 " http://a\n", 0, "more than the witnesses");
}

static void long_lines_zero_bytes_and_missing_files_are_refused(void **state)
{
    static const uint8_t zero[] = "[node]\ndir = /l\0x\n";
    struct slk_config c;
    struct slk_fault fault;
    char text[400];

    (void)state;
    (void)snprintf(text, sizeof(text), "[node]\ndir = /%0300d\n", 1);
    refused(text, 2, "longer than");
    assert_int_equal(slk_config_read(&c, slk_span_of(zero, sizeof(zero) - 1), &fault), SLK_E_MALFORMED);
    assert_int_equal(fault.line, 2);
    assert_int_equal(slk_config_load(&c, "/nowhere/at/all", &fault), SLK_E_IO);
    assert_true(fault.text[0] != '\0');
}

static void the_sample_is_a_good_configuration(void **state)
{
    char *sample = slk_config_sample();
    struct slk_config c;
    struct slk_fault fault;

    (void)state;
    assert_non_null(sample);
    assert_int_equal(read_text(&c, sample, &fault), SLK_OK);
    assert_int_equal(c.listen.port, 7150);
    assert_non_null(strstr(sample, "# connections = 4096"));
    free(sample);
}

static void each_value_has_its_line(void **state)
{
    struct slk_config c;
    struct slk_fault fault;
    const char *name;

    (void)state;
    assert_int_equal(read_text(&c, LEAST "\n[http]\n# x\nkey = /k\n", &fault), SLK_OK);
    assert_int_equal(slk_config_line(&c, c.dir, &name), 2);
    assert_string_equal(name, "dir");
    assert_int_equal(slk_config_line(&c, c.https_key, &name), 8);
    assert_string_equal(name, "key");
    assert_int_equal(slk_config_line(&c, c.vote_key, &name), 0);
    assert_string_equal(name, "vote_key");
}

static void what_only_a_start_reads_is_told(void **state)
{
    struct slk_config a, b;
    struct slk_fault fault;

    (void)state;
    assert_int_equal(read_text(&a, LEAST, &fault), SLK_OK);
    assert_int_equal(read_text(&b, LEAST "[log]\nlevel = debug\n[addresses]\n2 = a:1\n", &fault), SLK_OK);
    assert_null(slk_config_needs_start(&a, &b));
    assert_int_equal(read_text(&b, LEAST "[peers]\nlisten = a:1\n", &fault), SLK_OK);
    assert_string_equal(slk_config_needs_start(&a, &b), "peers.listen");
    assert_int_equal(read_text(&b, LEAST "vote_key = /v\nthreads = 2\n", &fault), SLK_OK);
    assert_string_equal(slk_config_needs_start(&a, &b), "node.threads"); /* keys are read again */
}

static void what_is_read_again_is_taken_over_and_nothing_else(void **state)
{
    static struct slk_config a, b;
    struct slk_fault fault;

    (void)state;
    assert_int_equal(read_text(&a, LEAST, &fault), SLK_OK);
    assert_int_equal(
        read_text(&b,
            LEAST "vote_key = /v\nlog_key = /l\ncosign_key = /c\nnext_node_key = /n\nthreads = 2\n"
                  "[http]\ntls_listen = a:1\ncertificate = /e\nkey = /k\nreaders = /r\nsubmitters = /s\n"
                  "[log]\nlevel = debug\nformat = json\n[addresses]\n2 = a:1\n",
            &fault),
        SLK_OK);
    slk_config_take_reloaded(&a, &b);
    assert_string_equal(a.vote_key, "/v");
    assert_int_equal(a.addresses_n, 1);
    assert_int_equal(a.threads, 0); /* a start reads these two */
    assert_string_equal(a.https.host, "");
    a.threads = b.threads;
    a.https = b.https;
    memcpy(a.lines, b.lines, sizeof(a.lines));
    assert_memory_equal(&a, &b, sizeof(a));
}

/* ---- the log ---- */

static char line[2048];
static unsigned lines_n;

static void keep_line(void *ctx, const char *at, size_t size)
{
    (void)ctx;
    assert_true(size < sizeof(line));
    memcpy(line, at, size);
    line[size] = '\0';
    lines_n++;
}

static uint64_t new_year(void *ctx)
{
    (void)ctx;
    return UINT64_C(1767225600042);
}

static void lines_are_text_or_json_and_one_each(void **state)
{
    struct slk_logger log = {.level = SLK_SAY_INFO, .write = keep_line, .wall_ms = new_year};

    (void)state;
    SLK_SAY(&log, SLK_SAY_INFO, "committed", SLK_SAY_NUMBER("height", 7),
        SLK_SAY_TEXT("why", "a \"b\"\nc \xc3\xa9"));
    assert_string_equal(line,
        "2026-01-01T00:00:00.042Z info committed height=7 why=\"a \\\"b\\\"\\u000ac \\u00c3\\u00a9\"\n");
    log.json = true;
    SLK_SAY(&log, SLK_SAY_WARN, "committed", SLK_SAY_NUMBER("height", 7), SLK_SAY_TEXT("why", "x\t"));
    assert_string_equal(line,
        "{\"time\":\"2026-01-01T00:00:00.042Z\",\"level\":\"warn\",\"event\":\"committed\",\"height\":7,"
        "\"why\":\"x\\u0009\"}\n");
    log.plain = true;
    SLK_SAY(&log, SLK_SAY_ERROR, "failed", SLK_SAY_END);
    assert_string_equal(line, "{\"level\":\"error\",\"event\":\"failed\"}\n");
}

static void levels_below_are_silent(void **state)
{
    struct slk_logger log = {.level = SLK_SAY_WARN, .write = keep_line, .wall_ms = new_year};
    unsigned before = lines_n;

    (void)state;
    SLK_SAY(&log, SLK_SAY_INFO, "x", SLK_SAY_END);
    SLK_SAY(NULL, SLK_SAY_ERROR, "x", SLK_SAY_END);
    assert_int_equal(lines_n, before);
    SLK_SAY(&log, SLK_SAY_WARN, "x", SLK_SAY_END);
    assert_int_equal(lines_n, before + 1);
}

static void a_line_that_is_too_long_is_cut_and_stays_one(void **state)
{
    struct slk_logger log = {.level = SLK_SAY_INFO, .write = keep_line, .wall_ms = new_year, .plain = true};
    char text[3000];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    SLK_SAY(&log, SLK_SAY_INFO, "x", SLK_SAY_TEXT("why", text));
    assert_true(strlen(line) <= 1024);
    assert_string_equal(line + strlen(line) - 5, " ...\n");
    log.json = true;
    SLK_SAY(&log, SLK_SAY_INFO, "x", SLK_SAY_NUMBER("n", 1), SLK_SAY_TEXT("why", text));
    assert_string_equal(line, "{\"level\":\"info\",\"event\":\"x\",\"n\":1}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_given_is_enough_and_the_rest_has_defaults),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(no_key_is_left_out_here),
        cmocka_unit_test(outside_witnesses_have_names_keys_and_addresses),
        cmocka_unit_test(mistakes_are_named_with_their_line),
        cmocka_unit_test(long_lines_zero_bytes_and_missing_files_are_refused),
        cmocka_unit_test(the_sample_is_a_good_configuration),
        cmocka_unit_test(each_value_has_its_line),
        cmocka_unit_test(what_only_a_start_reads_is_told),
        cmocka_unit_test(what_is_read_again_is_taken_over_and_nothing_else),
        cmocka_unit_test(lines_are_text_or_json_and_one_each),
        cmocka_unit_test(levels_below_are_silent),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_stays_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
