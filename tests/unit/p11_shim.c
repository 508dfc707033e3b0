/* p11_shim.c: a PKCS#11 module in front of SoftHSM that misbehaves on request. The file $SLK_P11_SHIM holds a word:
 *
 *   gone    no token: every call fails, sessions are lost
 *   broken  as gone, and until the module is finalised and initialised anew, whatever the file says then
 *   wrong   signatures with a bit turned over
 *   bare    EC_POINT without DER around it
 *   slow    each signature takes 20 ms
 *   hang    a signature takes as long as the file says so
 *
 * Anything else, or no file: SoftHSM as it is. */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static CK_FUNCTION_LIST real, shown;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool was_gone, is_broken;

static bool mode_is(const char *word)
{
    const char *path = getenv("SLK_P11_SHIM");
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    char text[16] = "";

    if (file == NULL)
        return false;
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    fclose(file);
    return strncmp(text, word, strlen(word)) == 0;
}

static void lose_sessions(void)
{
    CK_SLOT_ID slots[16];
    CK_ULONG n = 16;

    if (real.C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
        return;
    for (CK_ULONG i = 0; i < n; i++)
        (void)real.C_CloseAllSessions(slots[i]);
}

static bool is_gone(void)
{
    bool gone;

    pthread_mutex_lock(&lock);
    is_broken |= mode_is("broken");
    gone = is_broken || mode_is("gone");
    if (gone && !was_gone)
        lose_sessions();
    was_gone = gone;
    pthread_mutex_unlock(&lock);
    return gone;
}

static void rest(long ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static CK_RV finalize(void *reserved)
{
    CK_RV rv = real.C_Finalize(reserved);

    is_broken = false;
    return rv;
}

static CK_RV get_slot_list(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *n)
{
    if (!is_gone())
        return real.C_GetSlotList(present, slots, n);
    *n = 0;
    return is_broken ? CKR_DEVICE_ERROR : CKR_OK;
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    return is_gone() ? CKR_TOKEN_NOT_PRESENT : real.C_GetTokenInfo(slot, info);
}

static CK_RV open_session(
    CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
    return is_gone() ? CKR_TOKEN_NOT_PRESENT : real.C_OpenSession(slot, flags, application, notify, session);
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    return is_gone() ? CKR_DEVICE_REMOVED : real.C_SignInit(session, mechanism, key);
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size, CK_BYTE *sig, CK_ULONG *sig_n)
{
    CK_RV rv;

    while (mode_is("hang"))
        rest(5);
    if (mode_is("slow"))
        rest(20);
    if (is_gone())
        return CKR_DEVICE_REMOVED;
    rv = real.C_Sign(session, data, size, sig, sig_n);
    if (rv == CKR_OK && *sig_n > 40 && mode_is("wrong"))
        sig[40] ^= 1;
    return rv;
}

static CK_RV get_attribute_value(
    CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *at, CK_ULONG n)
{
    CK_RV rv = real.C_GetAttributeValue(session, object, at, n);
    CK_BYTE *bytes = n == 1 ? at[0].pValue : NULL;

    if (rv == CKR_OK && bytes != NULL && at[0].type == CKA_EC_POINT && at[0].ulValueLen == 34 &&
        mode_is("bare")) {
        memmove(bytes, bytes + 2, 32);
        at[0].ulValueLen = 32;
    }
    return rv;
}

static bool load(void)
{
    static const char *const places[] = {"/usr/lib/softhsm/libsofthsm2.so", "libsofthsm2.so"};
    CK_C_GetFunctionList list_of = NULL;
    CK_FUNCTION_LIST *list;
    void *module = NULL, *symbol;

    for (size_t i = 0; module == NULL && i < sizeof(places) / sizeof(places[0]); i++)
        module = dlopen(places[i], RTLD_NOW | RTLD_LOCAL);
    symbol = module != NULL ? dlsym(module, "C_GetFunctionList") : NULL;
    memcpy(&list_of, &symbol, sizeof(symbol));
    if (list_of == NULL || list_of(&list) != CKR_OK)
        return false;
    real = shown = *list;
    shown.C_Finalize = finalize;
    shown.C_GetSlotList = get_slot_list;
    shown.C_GetTokenInfo = get_token_info;
    shown.C_OpenSession = open_session;
    shown.C_SignInit = sign_init;
    shown.C_Sign = sign;
    shown.C_GetAttributeValue = get_attribute_value;
    return true;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list);
CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    static bool is_loaded;

    if (!is_loaded && !load())
        return CKR_GENERAL_ERROR;
    is_loaded = true;
    shown.C_GetFunctionList = C_GetFunctionList;
    *list = &shown;
    return CKR_OK;
}
