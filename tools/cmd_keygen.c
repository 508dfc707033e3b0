/* cmd_keygen.c: `sillok keygen`: Ed25519 keys in PEM files, or in PKCS#11 tokens. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/embed/token.h"
#include "tools/cli.h"

enum { URI_MAX = 1000 };

struct keygen {
    const char *out, *name, *type, *seed, *token, *member_dir, *issuer_dir;
    bool json;
};

static void print_key(
    const struct keygen *k, const char *label, const struct slk_key *key, const char *file, const char *vkey)
{
    char hex[TEXT_HEX_SIZE], id[TEXT_HEX_SIZE];
    uint8_t key_id[SLK_KEY_ID_SIZE];
    json_t *value;

    slk_key_id(key_id, slk_key_public(key));
    text_hex(hex, slk_key_public(key), SLK_KEY_SIZE);
    text_hex(id, key_id, sizeof(key_id));
    if (k->json) {
        value = json_pack("{s:s, s:s, s:s}", "key", label, "public_key", hex, "key_id", id);
        if (file != NULL)
            json_object_set_new(value, "file", json_string(file));
        if (vkey[0] != '\0')
            json_object_set_new(value, "vkey", json_string(vkey));
        cli_json(value);
        return;
    }
    if (strcmp(label, "public_key") == 0) {
        printf("public_key = %s\nkey_id     = %s\n", hex, id);
        if (vkey[0] != '\0')
            printf("vkey       = %s\n", vkey);
    } else {
        printf("%-10s = %s\n", label, hex);
    }
}

/* The URI with an object in it: before its '?', if it has one. */
static bool name_object(char out[URI_MAX], const char *uri, const char *stem, const char *use)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"; /* RFC 3986 §2.3 */
    size_t path_n = strcspn(uri, "?"), n;
    int rc = snprintf(
        out, URI_MAX, "%.*s%sobject=", (int)path_n, uri, path_n > 0 && uri[path_n - 1] != ':' ? ";" : "");

    if (rc < 0 || rc >= URI_MAX)
        return false;
    n = (size_t)rc;
    for (const char *c = stem; *c != '\0' && n < URI_MAX; c++) {
        rc = snprintf(
            out + n, URI_MAX - n, strchr(plain, *c) != NULL ? "%c" : "%%%02X", (unsigned)(unsigned char)*c);
        n += rc > 0 ? (size_t)rc : 0;
    }
    rc = n < URI_MAX ? snprintf(out + n, URI_MAX - n, "%s%s%s", use[0] != '\0' ? "." : "", use, uri + path_n)
                     : -1;
    return rc >= 0 && (size_t)rc < URI_MAX - n;
}

/* A key pair in the token, and a file that names it when one is asked for: tried before anybody relies on it. */
static enum slk_err make_in_token(
    const char *uri, const char *file, struct slk_key **out, struct slk_fault *fault)
{
    uint8_t public_key[SLK_KEY_SIZE];
    enum slk_err err;

    *out = NULL;
    if (file != NULL && access(file, F_OK) == 0) {
        snprintf(fault->text, sizeof(fault->text), "%.140s: exists already: choose another name", file);
        return SLK_E_EXISTS;
    }
    err = slk_token_generate(public_key, uri, fault);
    if (err == SLK_OK && file != NULL)
        err = slk_key_save_uri(uri, file, fault);
    return err == SLK_OK ? slk_key_load(out, uri, fault) : err;
}

/* A new key, or the one a seed gives; saved when there is a file. */
static enum slk_err make_key(
    const struct keygen *k, const char *file, struct slk_key **out, struct slk_fault *fault)
{
    uint8_t seed[32];
    enum slk_err err;

    *out = NULL;
    if (k->seed == NULL)
        return slk_key_generate(out, file, fault);
    if (!text_hash_parse(seed, k->seed, strlen(k->seed))) {
        snprintf(fault->text, sizeof(fault->text), "--seed: a seed is 64 hexadecimal digits");
        return SLK_E_KEY;
    }
    err = slk_key_from_seed(out, seed);
    return err == SLK_OK && file != NULL ? slk_key_save(*out, file, fault) : err;
}

static bool make_vkey(
    const struct cli *cli, const struct keygen *k, const struct slk_key *key, char out[SLK_VKEY_MAX])
{
    struct slk_vkey vkey;
    bool is_log = k->type != NULL && strcmp(k->type, "log") == 0;

    out[0] = '\0';
    if (k->name == NULL)
        return true;
    if (slk_vkey_init(&vkey, k->name, is_log ? SLK_SIG_ED25519 : SLK_SIG_COSIGNATURE_V1,
            slk_key_public(key)) != SLK_OK) {
        cli_fail(cli, 0, "--name: not a key name: no spaces, no '+', at most %d bytes", SLK_NAME_MAX);
        return false;
    }
    slk_vkey_format(out, &vkey);
    return true;
}

/* The fault says which file, and what is to be done. */
static void say_why(const struct cli *cli, enum slk_err err, const struct slk_fault *fault)
{
    cli_fail(cli, CLI_UNSURE, "%s", fault->text[0] != '\0' ? fault->text : slk_err_text(err));
}

static int one_key(const struct cli *cli, const struct keygen *k)
{
    struct slk_fault fault = {0};
    struct slk_key *key;
    char vkey[SLK_VKEY_MAX];
    enum slk_err err;
    int code = CLI_UNSURE;

    if ((k->name == NULL) != (k->type == NULL) ||
        (k->type != NULL && strcmp(k->type, "log") != 0 && strcmp(k->type, "cosign") != 0))
        return cli_fail(cli, CLI_UNSURE, "--name and --type (log or cosign) belong together");
    if (k->out == NULL && k->seed == NULL && k->token == NULL)
        return cli_fail(cli, CLI_UNSURE, "where to? give --out FILE, or --token URI");
    if (k->token != NULL)
        err = make_in_token(k->token, k->out, &key, &fault);
    else
        err = make_key(k, k->out, &key, &fault);
    if (err != SLK_OK)
        say_why(cli, err, &fault);
    else if (make_vkey(cli, k, key, vkey)) {
        print_key(k, "public_key", key, k->out, vkey);
        code = CLI_YES;
    }
    slk_key_free(key);
    return code;
}

/* The first key of a name brings the name's line. */
static bool named_key(const struct cli *cli, const struct keygen *k, const char *dir, const char *stem,
    const char *use, bool is_first)
{
    struct slk_fault fault = {0};
    char path[4096], label[80], uri[URI_MAX];
    struct slk_key *key = NULL;
    enum slk_err err = SLK_E_TOO_LARGE;

    snprintf(path, sizeof(path), "%s/%s%s%s.pem", dir, stem, use[0] != '\0' ? "." : "", use);
    snprintf(label, sizeof(label), "%s%s", use[0] != '\0' ? use : "public", "_key");
    if (k->token == NULL || strcmp(use, "node") == 0) /* TLS needs its key at hand */
        err = make_key(k, path, &key, &fault);
    else if (name_object(uri, k->token, stem, use))
        err = make_in_token(uri, path, &key, &fault);
    else
        snprintf(fault.text, sizeof(fault.text), "--token: the URI is too long");
    if (err == SLK_OK && is_first && !k->json)
        printf("[%s %s]\n", k->member_dir != NULL ? "member" : "issuer", stem);
    if (err != SLK_OK)
        say_why(cli, err, &fault);
    else
        print_key(k, label, key, path, "");
    slk_key_free(key);
    return err == SLK_OK;
}

/* Key files named after who uses them, and lines for the charter's text. */
static int keys_into(const struct cli *cli, const struct keygen *k)
{
    static const char *const uses[] = {"vote", "cosign", "log", "node"};
    const char *dir = k->member_dir != NULL ? k->member_dir : k->issuer_dir;
    bool good = true;

    if (cli->args_n == 0)
        return cli_fail(cli, CLI_UNSURE, "which names? usage is %s", cli->command->usage);
    if (k->seed != NULL || k->out != NULL || k->name != NULL)
        return cli_fail(
            cli, CLI_UNSURE, "--member and --issuer make several keys: without --seed, --out, --name");
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return cli_fail(cli, CLI_UNSURE, "%s: %s", dir, strerror(errno));
    for (size_t i = 0; good && i < cli->args_n; i++) {
        const char *name = cli->args[i];

        if (strchr(name, '/') != NULL || name[0] == '.' || name[0] == '\0')
            return cli_fail(cli, CLI_UNSURE, "%s: cannot be a file name", name);
        for (size_t u = 0; good && u < (k->member_dir != NULL ? 4 : 1); u++)
            good = named_key(cli, k, dir, name, k->member_dir != NULL ? uses[u] : "", u == 0);
    }
    return good ? CLI_YES : CLI_UNSURE;
}

static int run(struct cli *cli)
{
    struct keygen k = {0};
    const struct cli_option options[] = {
        CLI_OUT(&k.out, "write the private key here (new file, mode 0600)"),
        CLI_TEXT("name", "NAME", &k.name, "also print a verifier key (vkey) of this key name"),
        CLI_TEXT("type", "log|cosign", &k.type, "what the verifier key signs: checkpoints, or cosignatures"),
        CLI_TEXT("member", "DIR", &k.member_dir,
            "for each NAME: DIR/NAME.vote.pem, .cosign.pem, .log.pem and .node.pem"),
        CLI_TEXT("issuer", "DIR", &k.issuer_dir, "for each NAME: DIR/NAME.pem"),
        CLI_TEXT("token", "URI", &k.token, "make the keys in this PKCS#11 token; the files hold their URIs"),
        CLI_TEXT("seed", "HEX", &k.seed, "simulations only: the key that 32 given bytes make"),
        CLI_FLAG("json", &k.json, "one JSON object a key"),
        {0},
    };

    if (!cli_parse(cli, options, 0, SIZE_MAX))
        return cli->exit_code;
    if (k.token != NULL && (k.seed != NULL || !slk_key_is_uri(k.token)))
        return cli_fail(cli, CLI_UNSURE, "--token: a URI that begins with pkcs11:, and without --seed");
    if (k.member_dir != NULL && k.issuer_dir != NULL)
        return cli_fail(cli, CLI_UNSURE, "--member or --issuer, not both");
    if (k.member_dir != NULL || k.issuer_dir != NULL)
        return keys_into(cli, &k);
    if (cli->args_n > 0)
        return cli_fail(cli, CLI_UNSURE, "names go with --member DIR or --issuer DIR");
    return one_key(cli, &k);
}

const struct cli_command cmd_keygen = {
    .name = "keygen",
    .usage = "--out FILE [--token URI] [--name NAME --type log|cosign] | --member DIR NAME... | --issuer DIR "
             "NAME...",
    .summary = "Make Ed25519 keys",
    .about = "Private keys are PKCS#8 PEM files that only their owner may read; an existing file is never "
             "overwritten.\n"
             "Wherever a key file is asked for, a pkcs11: URI may stand instead, or a file that holds one. A "
             "PIN is read from\n"
             "pin-source, or from $CREDENTIALS_DIRECTORY/pkcs11-pin. A member's node key is for TLS and "
             "stays in a file.\n"
             "What is printed is public: the lines go into a charter's text, the vkey into a trust policy.\n"
             "A member has four keys, each for one use only: vote to decide blocks, node to reach the other "
             "members,\n"
             "log to sign checkpoints, cosign to state that its agency has executed and stored a block.",
    .run = run,
};
