/* err.c: names and sentences for the enums of sillok.h. A switch each, so that the compiler notices a
 * value without a name; what is after the switch is for values that came off no enum of ours. */
#include "ledger/verify/sillok.h"

const char *slk_err_text(enum slk_err err)
{
    switch (err) {
#define SLK_X(name, code, text)                                                                              \
    case SLK_##name:                                                                                         \
        return text;
        SLK_ERRORS(SLK_X)
#undef SLK_X
    }
    return "an error this version has no words for";
}

const char *slk_err_name(enum slk_err err)
{
    switch (err) {
#define SLK_X(name, code, text)                                                                              \
    case SLK_##name:                                                                                         \
        return #name;
        SLK_ERRORS(SLK_X)
#undef SLK_X
    }
    return "?";
}

const char *slk_kind_name(enum slk_kind kind)
{
    switch (kind) {
    case SLK_ISSUE:
        return "ISSUE";
    case SLK_REBIND:
        return "REBIND";
    case SLK_LOCK:
        return "LOCK";
    case SLK_UNLOCK:
        return "UNLOCK";
    case SLK_RENEW:
        return "RENEW";
    case SLK_REVOKE:
        return "REVOKE";
    case SLK_KIND_N:
        break;
    }
    return "?";
}

const char *slk_carrier_name(enum slk_carrier carrier)
{
    switch (carrier) {
    case SLK_CHIP_CARD:
        return "CHIP_CARD";
    case SLK_PHONE:
        return "PHONE";
    case SLK_CARRIER_N:
        break;
    }
    return "?";
}

const char *slk_channel_name(enum slk_channel channel)
{
    switch (channel) {
    case SLK_OFFICE_QR:
        return "OFFICE_QR";
    case SLK_CHIP_CARD_TAP:
        return "CHIP_CARD_TAP";
    case SLK_ONLINE:
        return "ONLINE";
    case SLK_CARRIER_REPORT:
        return "CARRIER_REPORT";
    case SLK_HOLDER_REPORT:
        return "HOLDER_REPORT";
    case SLK_AUTHORITY:
        return "AUTHORITY";
    case SLK_CHANNEL_N:
        break;
    }
    return "?";
}

const char *slk_state_name(enum slk_state state)
{
    switch (state) {
    case SLK_NEVER_ISSUED:
        return "NEVER_ISSUED";
    case SLK_ACTIVE:
        return "ACTIVE";
    case SLK_LOCKED:
        return "LOCKED";
    case SLK_REVOKED:
        return "REVOKED";
    case SLK_EXPIRED:
        return "EXPIRED";
    }
    return "?";
}
