/* Whom an address stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "net/address.h"

static struct sockaddr_storage at(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&out, &in, sizeof(in));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        memcpy(&out, &in6, sizeof(in6));
    }
    return out;
}

static bool same_site(const char *a, const char *b)
{
    struct sockaddr_storage from_a = at(a), from_b = at(b);
    uint8_t site_a[16], site_b[16];

    slk_address_site(site_a, &from_a);
    slk_address_site(site_b, &from_b);
    return memcmp(site_a, site_b, sizeof(site_a)) == 0;
}

static void ipv6_is_known_by_its_first_half_and_ipv4_by_all_of_it(void **state)
{
    (void)state;
    assert_true(same_site("192.0.2.1", "192.0.2.1"));
    assert_true(same_site("192.0.2.1", "::ffff:192.0.2.1"));
    assert_false(same_site("192.0.2.1", "192.0.2.2"));
    assert_false(same_site("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    assert_true(same_site("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
    assert_false(same_site("2001:db8:0:1::1", "2001:db8:0:2::1"));
    assert_false(same_site("2001:db8:0:1::1", "192.0.2.1"));
}

static void loopback_is_this_machine(void **state)
{
    static const char *const own[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"};
    static const char *const others[] = {
        "128.0.0.1", "0.0.0.0", "::", "::2", "2001:db8::1", "::ffff:10.0.0.1"};
    struct sockaddr_storage address, none = {.ss_family = AF_UNIX};

    (void)state;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        address = at(own[i]);
        assert_true(slk_address_is_loopback(&address));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        address = at(others[i]);
        assert_false(slk_address_is_loopback(&address));
    }
    assert_false(slk_address_is_loopback(&none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv6_is_known_by_its_first_half_and_ipv4_by_all_of_it),
        cmocka_unit_test(loopback_is_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
