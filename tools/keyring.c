/* keyring.c: see keyring.h. */
#include "tools/keyring.h"

#include <stdio.h>
#include <string.h>

static bool refuse(struct slk_fault *fault, const char *issuer, const char *why)
{
    snprintf(fault->text, sizeof(fault->text), "field \"issuer\": %s: %s", issuer, why);
    return false;
}

static size_t slot_of(const struct keyring *ring, const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    size_t at;

    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (at = hash % 2048; ring->table[at] != 0; at = (at + 1) % 2048)
        if (strcmp(ring->signers[ring->table[at] - 1].name, name) == 0)
            break;
    return at;
}

/* By name, or by key id in hex. */
static const struct slk_issuer *issuer_of(const struct slk_charter *charter, const char *issuer)
{
    uint8_t key_id[SLK_KEY_ID_SIZE];

    for (size_t i = 0; i < charter->issuers_n; i++)
        if (strcmp(charter->issuers[i].name, issuer) == 0)
            return &charter->issuers[i];
    if (slk_hex_parse(key_id, sizeof(key_id), issuer, strlen(issuer)))
        return slk_charter_issuer(charter, key_id);
    return NULL;
}

/* A name with a slash or a leading dot is no file name: its key is found by key id. */
static bool key_path(
    const struct keyring *ring, const char *issuer, const struct slk_issuer *listed, char *out, size_t cap)
{
    const char *name = listed != NULL ? listed->name : issuer;
    char id[TEXT_HEX_SIZE];
    int n;

    if (listed != NULL && (strchr(name, '/') != NULL || name[0] == '.'))
        name = text_hex(id, listed->key_id, SLK_KEY_ID_SIZE);
    if (strchr(name, '/') != NULL || name[0] == '.')
        return false;
    n = snprintf(out, cap, "%s/%s.pem", ring->dir, name);
    return n > 0 && (size_t)n < cap;
}

static bool load(struct keyring *ring, struct signer *signer, const char *issuer, struct slk_fault *fault)
{
    const struct slk_issuer *listed = ring->charter != NULL ? issuer_of(ring->charter, issuer) : NULL;
    struct slk_fault why = {0};
    char path[4096];
    enum slk_err err;

    if (listed == NULL && ring->charter != NULL && !ring->allow_strangers)
        return refuse(fault, issuer, "the charter lists no such issuer");
    if (!key_path(ring, issuer, listed, path, sizeof(path)))
        return refuse(fault, issuer, "cannot be a file name in the directory of keys");
    err = slk_key_load(&signer->key, path, &why);
    if (err != SLK_OK) {
        snprintf(fault->text, sizeof(fault->text), "field \"issuer\": %.200s",
            why.text[0] != '\0' ? why.text : slk_err_text(err));
        return false;
    }
    if (listed == NULL || memcmp(listed->public_key, slk_key_public(signer->key), SLK_KEY_SIZE) == 0)
        return true;
    slk_key_free(signer->key);
    signer->key = NULL;
    return refuse(fault, issuer, "its key file holds another key than the charter lists");
}

static void add(struct signer *signer, const char *name)
{
    snprintf(signer->name, sizeof(signer->name), "%s", name);
    slk_key_id(signer->key_id, slk_key_public(signer->key));
}

bool keyring_single(struct keyring *ring, const char *file, struct slk_fault *fault)
{
    struct signer *signer = &ring->signers[0];
    const struct slk_issuer *listed;
    char name[TEXT_HEX_SIZE];

    if (slk_key_load(&signer->key, file, fault) != SLK_OK)
        return false;
    add(signer, "");
    text_hex(name, signer->key_id, SLK_KEY_ID_SIZE);
    ring->signers_n = 1;
    listed = ring->charter != NULL ? slk_charter_issuer(ring->charter, signer->key_id) : NULL;
    add(signer, listed != NULL ? listed->name : name);
    if (listed != NULL || ring->charter == NULL || ring->allow_strangers)
        return true;
    snprintf(fault->text, sizeof(fault->text), "the charter lists no issuer with this key (key id %s)", name);
    return false;
}

/* With a single key an event may name its issuer, rightly, or leave the name out. */
static struct signer *the_single(struct keyring *ring, const char *issuer, struct slk_fault *fault)
{
    struct signer *signer = &ring->signers[0];
    char id[TEXT_HEX_SIZE];

    if (issuer[0] == '\0' || strcmp(issuer, signer->name) == 0 ||
        strcmp(issuer, text_hex(id, signer->key_id, SLK_KEY_ID_SIZE)) == 0)
        return signer;
    refuse(fault, issuer, "another issuer than the one whose key was given with --key");
    return NULL;
}

struct signer *keyring_find(struct keyring *ring, const char *issuer, struct slk_fault *fault)
{
    struct signer *signer;
    size_t slot;

    if (ring->dir == NULL)
        return the_single(ring, issuer, fault);
    if (issuer[0] == '\0') {
        snprintf(fault->text, sizeof(fault->text),
            "field \"issuer\": missing: name the issuer whose key signs, or give one --key");
        return NULL;
    }
    slot = slot_of(ring, issuer);
    if (ring->table[slot] != 0)
        return &ring->signers[ring->table[slot] - 1];
    if (ring->signers_n == KEYRING_MAX) {
        refuse(fault, issuer, "more issuers than a charter can have");
        return NULL;
    }
    signer = &ring->signers[ring->signers_n];
    if (!load(ring, signer, issuer, fault))
        return NULL;
    add(signer, issuer);
    ring->table[slot] = (uint16_t)++ring->signers_n;
    return signer;
}

void keyring_clear(struct keyring *ring)
{
    for (size_t i = 0; i < ring->signers_n; i++)
        slk_key_free(ring->signers[i].key);
    ring->signers_n = 0;
}
