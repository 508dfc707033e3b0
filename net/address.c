#include "net/address.h"

#include <netinet/in.h>
#include <string.h>

/* IPv4 is written so that both families are one. */
static bool as_ipv6(struct in6_addr *out, const struct sockaddr_storage *address)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    memset(out, 0, sizeof(*out));
    if (address->ss_family == AF_INET) {
        memcpy(&in, address, sizeof(in));
        out->s6_addr[10] = out->s6_addr[11] = 0xff; /* RFC 4291 §2.5.5.2 */
        memcpy(out->s6_addr + 12, &in.sin_addr, 4);
        return true;
    }
    if (address->ss_family != AF_INET6)
        return false;
    memcpy(&in6, address, sizeof(in6));
    *out = in6.sin6_addr;
    return true;
}

void slk_address_site(uint8_t out[16], const struct sockaddr_storage *address)
{
    struct in6_addr ip;

    memset(out, 0, 16);
    if (as_ipv6(&ip, address))
        memcpy(out, ip.s6_addr, IN6_IS_ADDR_V4MAPPED(&ip) ? 16 : 8);
}

bool slk_address_is_loopback(const struct sockaddr_storage *address)
{
    struct in6_addr ip;

    if (!as_ipv6(&ip, address))
        return false;
    return IN6_IS_ADDR_LOOPBACK(&ip) || (IN6_IS_ADDR_V4MAPPED(&ip) && ip.s6_addr[12] == 127);
}
