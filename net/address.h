/* address.h: whom an address stands for: of IPv6 a site, which has 2^64 of them. */
#ifndef SLK_NET_ADDRESS_H
#define SLK_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* IPv4 as IPv6 writes it; of IPv6 the first half, which one site holds; zeroes: neither of them. */
void slk_address_site(uint8_t out[16], const struct sockaddr_storage *address);
/* This machine, speaking to itself. */
bool slk_address_is_loopback(const struct sockaddr_storage *address);

#endif
