/* token.c: see token.h. One lock around everything: a module is started and stopped for all keys in it at once. */
#include "ledger/embed/token.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ledger/verify/sig.h"

#define PIN_MAX     255
#define PATH_CAP    4096
#define SLOTS_MAX   64
#define ID_MAX      64
#define LABEL_MAX   128
#define CREDENTIAL  "pkcs11-pin" /* systemd: LoadCredential=pkcs11-pin:/path */
#define CLOSE_S     1
#define OPEN_S      5
#define PROBE       "sillok/probe/1" /* no statement of ours begins so: this signature says nothing */
#define ED25519_OID 0x06, 0x03, 0x2b, 0x65, 0x70 /* 1.3.101.112, RFC 8410 §3 */

static const uint8_t ed25519_oid[] = {ED25519_OID};
static const uint8_t ed25519_name[] = "\x13\x0c"
                                      "edwards25519"; /* PKCS#11 3.0 §2.3.3: the PrintableString of a curve */

/* A module, or all that p11-kit knows of, shared by the keys in it. */
struct library {
    struct library *next;
    char *path; /* NULL: all registered ones */
    size_t users;
    CK_FUNCTION_LIST **modules; /* NULL-terminated; NULL: stopped */
    unsigned generation;        /* grows with each start: sessions of an older one are gone */
    bool is_pin_refused;
};

struct slk_token_key {
    P11KitUri *uri;
    struct library *library;
    unsigned generation;
    CK_FUNCTION_LIST *module; /* with a session, else NULL */
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE private_key, public_object;
    uint8_t public_key[SLK_KEY_SIZE];
    unsigned failures; /* calls in a row */
    char name[120];    /* for sentences: the URI without its query */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct library *libraries;

/* Names the key; the reason has the rest of the room. */
__attribute__((format(printf, 3, 4))) static void say(
    const struct slk_token_key *key, struct slk_fault *fault, const char *format, ...)
{
    char why[160];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    fault->line = 0;
    snprintf(fault->text, sizeof(fault->text), "%.*s: %s", (int)(sizeof(fault->text) - sizeof(why) - 4),
        key->name, why);
}
#define FAIL(key, fault, err, ...) (say((key), (fault), __VA_ARGS__), (err))

/* A call that the module refused. */
static enum slk_err broke(
    const struct slk_token_key *key, struct slk_fault *fault, const char *what, CK_RV rv)
{
    return FAIL(key, fault, SLK_E_SIGNER, "%s: %s (0x%lx)", what, p11_kit_strerror(rv), rv);
}

/* ---- modules ---- */

static struct library *library_of(const char *path)
{
    struct library *lib = libraries;

    while (lib != NULL &&
           !(path == NULL ? lib->path == NULL : lib->path != NULL && strcmp(lib->path, path) == 0))
        lib = lib->next;
    if (lib != NULL)
        return lib;
    lib = calloc(1, sizeof(*lib));
    if (lib == NULL)
        return NULL;
    lib->path = path != NULL ? strdup(path) : NULL;
    if (path != NULL && lib->path == NULL) {
        free(lib);
        return NULL;
    }
    lib->next = libraries;
    libraries = lib;
    return lib;
}

static void stop_library(struct library *lib)
{
    if (lib->modules == NULL)
        return;
    if (lib->path == NULL) {
        p11_kit_modules_finalize_and_release(lib->modules);
    } else {
        (void)p11_kit_module_finalize(lib->modules[0]);
        p11_kit_module_release(lib->modules[0]);
        free(lib->modules);
    }
    lib->modules = NULL;
}

static void drop_library(struct library *lib)
{
    struct library **at = &libraries;

    if (lib == NULL || lib->users > 0)
        return;
    stop_library(lib);
    while (*at != lib)
        at = &(*at)->next;
    *at = lib->next;
    free(lib->path);
    free(lib);
}

static enum slk_err start_one(const struct slk_token_key *key, struct library *lib, struct slk_fault *fault)
{
    CK_FUNCTION_LIST **list = calloc(2, sizeof(CK_FUNCTION_LIST *));
    CK_RV rv;

    if (list == NULL)
        return SLK_E_NOMEM;
    list[0] = p11_kit_module_load(lib->path, 0);
    if (list[0] == NULL) {
        free(list);
        return FAIL(
            key, fault, SLK_E_SIGNER, "the module %.60s cannot be loaded: %s", lib->path, p11_kit_message());
    }
    rv = p11_kit_module_initialize(list[0]);
    if (rv != CKR_OK) {
        p11_kit_module_release(list[0]);
        free(list);
        return broke(key, fault, "the module does not start", rv);
    }
    lib->modules = list;
    return SLK_OK;
}

static enum slk_err start_library(const struct slk_token_key *key, struct slk_fault *fault)
{
    struct library *lib = key->library;
    enum slk_err err = SLK_OK;

    if (lib->modules != NULL)
        return SLK_OK;
    if (lib->path != NULL) {
        err = start_one(key, lib, fault);
    } else {
        lib->modules = p11_kit_modules_load_and_initialize(0);
        if (lib->modules == NULL)
            err = FAIL(key, fault, SLK_E_SIGNER, "p11-kit has no modules: %s", p11_kit_message());
    }
    lib->generation += err == SLK_OK;
    return err;
}

/* ---- the PIN ---- */

/* Where it stands; false: nowhere. A name without a slash is one of systemd's credentials. */
static bool pin_path(const P11KitUri *uri, char out[PATH_CAP], bool *is_credential)
{
    const char *source = p11_kit_uri_get_pin_source(uri), *dir = getenv("CREDENTIALS_DIRECTORY");
    int n;

    if (source != NULL && strncmp(source, "file:", 5) == 0)
        source += source[5] == '/' && source[6] == '/' ? 7 : 5; /* file:///path is the same file */
    *is_credential = source == NULL || strchr(source, '/') == NULL;
    if (!*is_credential)
        n = snprintf(out, PATH_CAP, "%s", source);
    else
        n = dir == NULL ? 0 : snprintf(out, PATH_CAP, "%s/%s", dir, source != NULL ? source : CREDENTIAL);
    return n > 0 && n < PATH_CAP;
}

static enum slk_err read_pin(
    const struct slk_token_key *key, uint8_t pin[PIN_MAX + 1], size_t *size, struct slk_fault *fault)
{
    char path[PATH_CAP];
    bool is_credential;
    struct stat st;
    ssize_t n = -1;
    int fd;

    if (!pin_path(key->uri, path, &is_credential))
        return FAIL(key, fault, SLK_E_KEY,
            "no PIN: say where it is with pin-source=file:/path, or give systemd's credential " CREDENTIAL);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return FAIL(key, fault, SLK_E_KEY, "the PIN's file %.60s: %s", path, strerror(errno));
    /* systemd hands credentials to other users by an access list, which shows as the group's bits. */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (is_credential ? 007 : 077)) == 0)
        n = read(fd, pin, PIN_MAX + 1);
    close(fd);
    if (n < 0)
        return FAIL(key, fault, SLK_E_KEY, "others may read the PIN: run `chmod 600` on %.60s", path);
    while (n > 0 && (pin[n - 1] == '\n' || pin[n - 1] == '\r'))
        n--;
    if (n == 0 || n > PIN_MAX)
        return FAIL(key, fault, SLK_E_KEY, "%.60s holds no PIN: one line of 1 to %d bytes", path, PIN_MAX);
    *size = (size_t)n;
    return SLK_OK;
}

static enum slk_err login(struct slk_token_key *key, const CK_TOKEN_INFO *info, struct slk_fault *fault)
{
    uint8_t pin[PIN_MAX + 1];
    size_t size;
    enum slk_err err;
    CK_RV rv;

    if ((info->flags & CKF_LOGIN_REQUIRED) == 0)
        return SLK_OK;
    if (key->library->is_pin_refused)
        return FAIL(
            key, fault, SLK_E_KEY, "the PIN was refused and is not tried again: correct it, then start anew");
    if ((info->flags & (CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY)) != 0)
        return FAIL(key, fault, SLK_E_KEY,
            (info->flags & CKF_USER_PIN_LOCKED) != 0
                ? "the token is locked after wrong PINs: unlock it with its SO PIN"
                : "one more wrong PIN locks the token: log in once by hand, then start anew");
    err = read_pin(key, pin, &size, fault);
    if (err == SLK_OK) {
        rv = key->module->C_Login(key->session, CKU_USER, pin, size);
        key->library->is_pin_refused = rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID ||
                                       rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_LOCKED;
        if (key->library->is_pin_refused)
            err = FAIL(key, fault, SLK_E_KEY, "the token refuses the PIN: %s", p11_kit_strerror(rv));
        else if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
            err = broke(key, fault, "login", rv);
    }
    sodium_memzero(pin, sizeof(pin));
    return err;
}

/* ---- finding the token ---- */

static bool module_fits(const P11KitUri *uri, CK_FUNCTION_LIST *module)
{
    CK_INFO info;

    return module->C_GetInfo(&info) == CKR_OK && p11_kit_uri_match_module_info(uri, &info) == 1;
}

static bool slot_fits(
    const struct slk_token_key *key, CK_FUNCTION_LIST *module, CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(key->uri);
    CK_SLOT_INFO slot_info;

    return (wanted == (CK_SLOT_ID)-1 || wanted == slot) &&
           module->C_GetSlotInfo(slot, &slot_info) == CKR_OK &&
           p11_kit_uri_match_slot_info(key->uri, &slot_info) == 1 &&
           module->C_GetTokenInfo(slot, info) == CKR_OK && (info->flags & CKF_TOKEN_INITIALIZED) != 0 &&
           p11_kit_uri_match_token_info(key->uri, info) == 1;
}

struct place {
    CK_FUNCTION_LIST *module;
    CK_SLOT_ID slot;
    CK_TOKEN_INFO info;
    size_t n;
};

static void look_into(const struct slk_token_key *key, CK_FUNCTION_LIST *module, struct place *place)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;

    if (!module_fits(key->uri, module) || module->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
        return;
    for (CK_ULONG i = 0; i < n && i < SLOTS_MAX; i++) {
        CK_TOKEN_INFO info;

        if (!slot_fits(key, module, slots[i], &info))
            continue;
        if (place->n++ == 0) {
            place->module = module;
            place->slot = slots[i];
            place->info = info;
        }
    }
}

static enum slk_err find_token(const struct slk_token_key *key, struct place *place, struct slk_fault *fault)
{
    memset(place, 0, sizeof(*place));
    for (CK_FUNCTION_LIST **m = key->library->modules; *m != NULL; m++)
        look_into(key, *m, place);
    if (place->n == 0)
        return FAIL(key, fault, SLK_E_SIGNER,
            "no such token is here: is it connected, and the module the right one?");
    if (place->n > 1)
        return FAIL(key, fault, SLK_E_KEY, "%zu tokens fit: name one by its serial=", place->n);
    return SLK_OK;
}

/* ---- finding the key ---- */

struct wanted {
    CK_OBJECT_CLASS class;
    CK_ATTRIBUTE at[3];
    CK_ULONG n;
};

static void want(struct wanted *w, CK_ATTRIBUTE_TYPE type, void *value, size_t size)
{
    assert(w->n < 3);
    w->at[w->n++] = (CK_ATTRIBUTE){type, value, size};
}

/* How many objects fit, at most two; the first one. */
static CK_RV find(const struct slk_token_key *key, struct wanted *w, CK_OBJECT_HANDLE found[2], CK_ULONG *n)
{
    CK_RV rv = key->module->C_FindObjectsInit(key->session, w->at, w->n);

    *n = 0;
    if (rv != CKR_OK)
        return rv;
    rv = key->module->C_FindObjects(key->session, found, 2, n);
    (void)key->module->C_FindObjectsFinal(key->session);
    return rv;
}

/* By class, and by what the URI says of the object. */
static void want_of_uri(struct wanted *w, const struct slk_token_key *key, CK_OBJECT_CLASS class)
{
    CK_ATTRIBUTE *label = p11_kit_uri_get_attribute(key->uri, CKA_LABEL);
    CK_ATTRIBUTE *id = p11_kit_uri_get_attribute(key->uri, CKA_ID);

    *w = (struct wanted){.class = class};
    want(w, CKA_CLASS, &w->class, sizeof(w->class));
    if (label != NULL)
        want(w, CKA_LABEL, label->pValue, label->ulValueLen);
    if (id != NULL)
        want(w, CKA_ID, id->pValue, id->ulValueLen);
}

/* An attribute of at most `cap` bytes; false: it has none, or a longer one. */
static bool attribute(const struct slk_token_key *key, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
    void *out, size_t cap, size_t *size)
{
    CK_ATTRIBUTE at = {type, out, cap};

    *size = 0;
    if (key->module->C_GetAttributeValue(key->session, object, &at, 1) != CKR_OK || at.ulValueLen > cap)
        return false;
    *size = at.ulValueLen;
    return true;
}

/* The ledger's formats have room for Ed25519 alone: 32 bytes of key, a 64-byte signature, one rule to check them. */
static enum slk_err check_type(const struct slk_token_key *key, struct slk_fault *fault)
{
    CK_KEY_TYPE type = 0;
    CK_BBOOL always = CK_FALSE;
    size_t size;

    if (!attribute(key, key->private_key, CKA_KEY_TYPE, &type, sizeof(type), &size) || size != sizeof(type))
        return FAIL(key, fault, SLK_E_SIGNER, "the token does not say what kind of key this is");
    if (type == CKK_EC)
        return FAIL(key, fault, SLK_E_KEY,
            "an ECDSA key (P-256 or the like): votes, checkpoints, cosignatures and submissions are Ed25519 "
            "by format");
    if (type != CKK_EC_EDWARDS)
        return FAIL(key, fault, SLK_E_KEY, "not an Ed25519 key: the ledger's formats know no other");
    if (attribute(key, key->private_key, CKA_ALWAYS_AUTHENTICATE, &always, sizeof(always), &size) &&
        always != CK_FALSE)
        return FAIL(key, fault, SLK_E_KEY,
            "the key wants the PIN for every signature: make one without ALWAYS_AUTHENTICATE");
    return SLK_OK;
}

/* DER around the 32 bytes, as PKCS#11 says, or without it, as some tokens have it. */
static bool read_point(uint8_t out[SLK_KEY_SIZE], const uint8_t *point, size_t size)
{
    if (size == SLK_KEY_SIZE + 2 && point[0] == 0x04 && point[1] == SLK_KEY_SIZE) {
        point += 2;
        size -= 2;
    }
    if (size != SLK_KEY_SIZE)
        return false;
    memcpy(out, point, SLK_KEY_SIZE);
    return true;
}

static bool is_ed25519_curve(const uint8_t *params, size_t size)
{
    return size == 0 || (size == sizeof(ed25519_oid) && memcmp(params, ed25519_oid, size) == 0) ||
           (size == sizeof(ed25519_name) - 1 && memcmp(params, ed25519_name, size) == 0);
}

static enum slk_err read_public(const struct slk_token_key *key, CK_OBJECT_HANDLE object,
    uint8_t out[SLK_KEY_SIZE], struct slk_fault *fault)
{
    uint8_t params[64], point[SLK_KEY_SIZE + 2];
    size_t params_n, point_n;

    (void)attribute(key, object, CKA_EC_PARAMS, params, sizeof(params), &params_n);
    if (!is_ed25519_curve(params, params_n) ||
        !attribute(key, object, CKA_EC_POINT, point, sizeof(point), &point_n) ||
        !read_point(out, point, point_n) || !slk_key_is_sound(out))
        return FAIL(
            key, fault, SLK_E_KEY, "its public key is no Ed25519 key: the ledger's formats know no other");
    return SLK_OK;
}

/* The public half: the same CKA_ID, which PKCS#11 has for that; the same label where the private key has no id. */
static enum slk_err find_public(struct slk_token_key *key, struct slk_fault *fault)
{
    uint8_t id[ID_MAX];
    CK_OBJECT_HANDLE found[2];
    struct wanted w;
    CK_ULONG n;
    CK_RV rv;
    size_t size;

    want_of_uri(&w, key, CKO_PUBLIC_KEY);
    if (attribute(key, key->private_key, CKA_ID, id, sizeof(id), &size) && size > 0) {
        w.n = 1;
        want(&w, CKA_ID, id, size);
    }
    rv = find(key, &w, found, &n);
    if (rv != CKR_OK)
        return broke(key, fault, "looking for the public key", rv);
    if (n != 1)
        return FAIL(key, fault, SLK_E_KEY,
            "the token holds %s public key with this key's id: there must be one",
            n == 0 ? "no" : "more than one");
    key->public_object = found[0];
    return SLK_OK;
}

static enum slk_err find_key(
    struct slk_token_key *key, uint8_t public_key[SLK_KEY_SIZE], struct slk_fault *fault)
{
    CK_OBJECT_HANDLE found[2];
    struct wanted w;
    CK_ULONG n;
    CK_RV rv;
    enum slk_err err;

    want_of_uri(&w, key, CKO_PRIVATE_KEY);
    rv = find(key, &w, found, &n);
    if (rv != CKR_OK)
        return broke(key, fault, "looking for the key", rv);
    if (n == 0)
        return FAIL(key, fault, SLK_E_NOT_FOUND, "the token holds no private key of that name");
    if (n > 1)
        return FAIL(key, fault, SLK_E_KEY, "several private keys have that name: add their id=");
    key->private_key = found[0];
    err = check_type(key, fault);
    if (err == SLK_OK)
        err = find_public(key, fault);
    return err == SLK_OK ? read_public(key, key->public_object, public_key, fault) : err;
}

/* ---- sessions ---- */

static bool is_attached(const struct slk_token_key *key)
{
    return key->module != NULL && key->library->modules != NULL &&
           key->generation == key->library->generation;
}

static void detach(struct slk_token_key *key)
{
    if (key->module != NULL && is_attached(key))
        (void)key->module->C_CloseSession(key->session);
    key->module = NULL;
}

static enum slk_err open_session(struct slk_token_key *key, CK_FLAGS flags, struct slk_fault *fault)
{
    struct place place;
    enum slk_err err = start_library(key, fault);
    CK_RV rv;

    if (err == SLK_OK)
        err = find_token(key, &place, fault);
    if (err != SLK_OK)
        return err;
    rv = place.module->C_OpenSession(place.slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &key->session);
    if (rv != CKR_OK)
        return broke(key, fault, "opening a session", rv);
    key->module = place.module;
    key->generation = key->library->generation;
    err = login(key, &place.info, fault);
    if (err != SLK_OK)
        detach(key);
    return err;
}

static enum slk_err attach(
    struct slk_token_key *key, uint8_t public_key[SLK_KEY_SIZE], struct slk_fault *fault)
{
    enum slk_err err = open_session(key, 0, fault);

    if (err == SLK_OK)
        err = find_key(key, public_key, fault);
    if (err != SLK_OK)
        detach(key);
    return err;
}

static enum slk_err attach_again(struct slk_token_key *key, struct slk_fault *fault)
{
    uint8_t public_key[SLK_KEY_SIZE];
    enum slk_err err = attach(key, public_key, fault);

    if (err == SLK_OK && memcmp(public_key, key->public_key, SLK_KEY_SIZE) != 0) {
        detach(key);
        err = FAIL(key, fault, SLK_E_KEY, "another key has that name now");
    }
    return err;
}

/* ---- signing ---- */

static enum slk_err sign_once(struct slk_token_key *key, uint8_t sig[SLK_SIGNATURE_SIZE], const void *message,
    size_t size, struct slk_fault *fault)
{
    CK_MECHANISM eddsa = {CKM_EDDSA, NULL, 0}; /* without parameters: Ed25519 itself, PKCS#11 3.0 §2.3.14 */
    CK_ULONG n = SLK_SIGNATURE_SIZE;
    uint8_t *bytes =
        malloc(size + 1); /* the module may write to what it is given: its interface has no const */
    CK_RV rv;

    if (bytes == NULL)
        return SLK_E_NOMEM;
    memcpy(bytes, message, size);
    rv = key->module->C_SignInit(key->session, &eddsa, key->private_key);
    if (rv == CKR_OK)
        rv = key->module->C_Sign(key->session, bytes, size, sig, &n);
    free(bytes);
    if (rv != CKR_OK)
        return broke(key, fault, "signing", rv);
    if (n != SLK_SIGNATURE_SIZE || !slk_sig_verify(sig, message, size, key->public_key)) {
        memset(sig, 0, SLK_SIGNATURE_SIZE);
        return FAIL(key, fault, SLK_E_SIGNER, "the token made a wrong signature; it was thrown away");
    }
    return SLK_OK;
}

static enum slk_err sign_locked(struct slk_token_key *key, uint8_t sig[SLK_SIGNATURE_SIZE],
    const void *message, size_t size, struct slk_fault *fault)
{
    enum slk_err err = SLK_E_SIGNER;

    if (is_attached(key))
        err = sign_once(key, sig, message, size, fault);
    if (err == SLK_OK || err == SLK_E_NOMEM)
        return err;
    detach(key);
    if (key->failures > 0) /* some modules come back from the loss of their HSM only so */
        stop_library(key->library);
    err = attach_again(key, fault);
    if (err == SLK_OK)
        err = sign_once(key, sig, message, size, fault);
    if (err != SLK_OK)
        detach(key);
    return err;
}

enum slk_err slk_token_sign(struct slk_token_key *key, uint8_t sig[SLK_SIGNATURE_SIZE], const void *message,
    size_t size, struct slk_fault *fault)
{
    enum slk_err err;

    pthread_mutex_lock(&lock);
    err = sign_locked(key, sig, message, size, fault);
    key->failures = err == SLK_OK ? 0 : key->failures + 1;
    pthread_mutex_unlock(&lock);
    return err;
}

/* ---- opening ---- */

/* False: another thread is in a module that hangs. */
static bool take_lock(time_t most_s)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += most_s;
    return pthread_mutex_timedlock(&lock, &until) == 0;
}

static enum slk_err busy(struct slk_fault *fault)
{
    snprintf(fault->text, sizeof(fault->text), "another key's token has not answered for %d seconds", OPEN_S);
    return SLK_E_SIGNER;
}

static void free_key(struct slk_token_key *key)
{
    if (key->library != NULL) {
        detach(key);
        key->library->users--;
        drop_library(key->library);
    }
    p11_kit_uri_free(key->uri);
    free(key);
}

/* The part before '?': names alone. */
static void name_key(struct slk_token_key *key, const char *uri)
{
    snprintf(key->name, sizeof(key->name), "%.*s", (int)strcspn(uri, "?"), uri);
}

static enum slk_err read_uri(struct slk_token_key *key, const char *uri, struct slk_fault *fault)
{
    CK_ATTRIBUTE *class;
    int rc;

    if (strstr(uri, "pin-value") != NULL) { /* before the name is set: some put it before the '?' */
        snprintf(key->name, sizeof(key->name), "%s", SLK_TOKEN_SCHEME "...");
        return FAIL(key, fault, SLK_E_KEY,
            "a PIN has no place in a URI, where others can read it: use pin-source=file:/path");
    }
    name_key(key, uri);
    key->uri = p11_kit_uri_new();
    if (key->uri == NULL)
        return SLK_E_NOMEM;
    rc = p11_kit_uri_parse(uri, P11_KIT_URI_FOR_ANY, key->uri);
    if (rc != P11_KIT_URI_OK || p11_kit_uri_any_unrecognized(key->uri))
        return FAIL(key, fault, SLK_E_KEY, "not a PKCS#11 URI (RFC 7512)%s%s",
            rc != P11_KIT_URI_OK ? ": " : ": unknown words in it",
            rc != P11_KIT_URI_OK ? p11_kit_uri_message(rc) : "");
    class = p11_kit_uri_get_attribute(key->uri, CKA_CLASS);
    if (class != NULL && (class->ulValueLen != sizeof(CK_OBJECT_CLASS) ||
                             *(CK_OBJECT_CLASS *)class->pValue != CKO_PRIVATE_KEY))
        return FAIL(key, fault, SLK_E_KEY, "its type= must be private, or left out");
    if (p11_kit_uri_get_attribute(key->uri, CKA_LABEL) == NULL &&
        p11_kit_uri_get_attribute(key->uri, CKA_ID) == NULL)
        return FAIL(key, fault, SLK_E_KEY, "says no key: add object=NAME or id=");
    return SLK_OK;
}

static enum slk_err new_key(struct slk_token_key **out, const char *uri, struct slk_fault *fault)
{
    struct slk_token_key *key = calloc(1, sizeof(*key));
    enum slk_err err;

    *out = NULL;
    if (key == NULL || sodium_init() < 0) {
        free(key);
        return SLK_E_NOMEM;
    }
    err = read_uri(key, uri, fault);
    if (err == SLK_OK) {
        key->library = library_of(p11_kit_uri_get_module_path(key->uri));
        if (key->library == NULL)
            err = SLK_E_NOMEM;
        else
            key->library->users++;
    }
    if (err != SLK_OK)
        free_key(key);
    else
        *out = key;
    return err;
}

static enum slk_err open_locked(struct slk_token_key **out, const char *uri, struct slk_fault *fault)
{
    uint8_t sig[SLK_SIGNATURE_SIZE];
    struct slk_token_key *key;
    enum slk_err err = new_key(&key, uri, fault);

    if (err != SLK_OK)
        return err;
    err = attach(key, key->public_key, fault);
    if (err == SLK_OK)
        err = sign_once(key, sig, PROBE, sizeof(PROBE), fault);
    if (err != SLK_OK)
        free_key(key);
    else
        *out = key;
    return err;
}

enum slk_err slk_token_open(
    struct slk_token_key **out, uint8_t public_key[SLK_KEY_SIZE], const char *uri, struct slk_fault *fault)
{
    enum slk_err err;

    *out = NULL;
    *fault = (struct slk_fault){0};
    if (!take_lock(OPEN_S))
        return busy(fault);
    err = open_locked(out, uri, fault);
    if (err == SLK_OK)
        memcpy(public_key, (*out)->public_key, SLK_KEY_SIZE);
    pthread_mutex_unlock(&lock);
    return err;
}

void slk_token_close(struct slk_token_key *key)
{
    if (key == NULL || !take_lock(CLOSE_S))
        return; /* a thread hangs in the module: the process ends without it */
    free_key(key);
    pthread_mutex_unlock(&lock);
}

/* ---- making keys ---- */

static CK_RV generate_pair(struct slk_token_key *key, const CK_ATTRIBUTE *label, const uint8_t *params,
    size_t params_n, CK_OBJECT_HANDLE pair[2])
{
    CK_MECHANISM mechanism = {CKM_EC_EDWARDS_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE *wanted_id = p11_kit_uri_get_attribute(key->uri, CKA_ID);
    uint8_t curve[32], drawn[8];
    CK_ATTRIBUTE id = wanted_id != NULL ? *wanted_id : (CK_ATTRIBUTE){CKA_ID, drawn, sizeof(drawn)};
    CK_ATTRIBUTE public_half[] = {{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_VERIFY, &yes, sizeof(yes)},
        {CKA_PRIVATE, &no, sizeof(no)}, {CKA_EC_PARAMS, curve, params_n}, *label, id};
    CK_ATTRIBUTE private_half[] = {{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_PRIVATE, &yes, sizeof(yes)},
        {CKA_SENSITIVE, &yes, sizeof(yes)}, {CKA_EXTRACTABLE, &no, sizeof(no)}, {CKA_SIGN, &yes, sizeof(yes)},
        *label, id};

    assert(params_n <= sizeof(curve));
    memcpy(curve, params, params_n);
    randombytes_buf(drawn, sizeof(drawn));
    return key->module->C_GenerateKeyPair(key->session, &mechanism, public_half,
        sizeof(public_half) / sizeof(public_half[0]), private_half,
        sizeof(private_half) / sizeof(private_half[0]), &pair[0], &pair[1]);
}

/* Names stay unique, so that a URI says one key. */
static enum slk_err check_absent(struct slk_token_key *key, struct slk_fault *fault)
{
    CK_ATTRIBUTE *label = p11_kit_uri_get_attribute(key->uri, CKA_LABEL);
    CK_OBJECT_HANDLE found[2];
    struct wanted w = {0};
    CK_ULONG n;
    CK_RV rv;

    if (label == NULL || label->ulValueLen == 0 || label->ulValueLen > LABEL_MAX)
        return FAIL(key, fault, SLK_E_KEY, "says no name for the new key: add object=NAME");
    want(&w, CKA_LABEL, label->pValue, label->ulValueLen);
    rv = find(key, &w, found, &n);
    if (rv != CKR_OK)
        return broke(key, fault, "looking for the name", rv);
    return n == 0 ? SLK_OK
                  : FAIL(key, fault, SLK_E_EXISTS,
                        "the token holds an object of that name already: choose another name");
}

static enum slk_err generate_locked(
    uint8_t public_key[SLK_KEY_SIZE], const char *uri, struct slk_fault *fault)
{
    CK_OBJECT_HANDLE pair[2];
    struct slk_token_key *key;
    enum slk_err err = new_key(&key, uri, fault);
    CK_RV rv;

    if (err != SLK_OK)
        return err;
    err = open_session(key, CKF_RW_SESSION, fault);
    if (err == SLK_OK)
        err = check_absent(key, fault);
    if (err == SLK_OK) {
        const CK_ATTRIBUTE *label = p11_kit_uri_get_attribute(key->uri, CKA_LABEL);

        rv = generate_pair(key, label, ed25519_oid, sizeof(ed25519_oid), pair);
        if (rv != CKR_OK) /* tokens older than PKCS#11 3.0 know the curve's name */
            rv = generate_pair(key, label, ed25519_name, sizeof(ed25519_name) - 1, pair);
        err = rv == CKR_OK ? read_public(key, pair[0], public_key, fault)
                           : broke(key, fault, "the token makes no Ed25519 key", rv);
    }
    free_key(key);
    return err;
}

enum slk_err slk_token_generate(uint8_t public_key[SLK_KEY_SIZE], const char *uri, struct slk_fault *fault)
{
    enum slk_err err;

    *fault = (struct slk_fault){0};
    if (!take_lock(OPEN_S))
        return busy(fault);
    err = generate_locked(public_key, uri, fault);
    pthread_mutex_unlock(&lock);
    return err;
}
