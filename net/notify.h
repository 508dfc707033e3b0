/* notify.h: what the service manager is told, by systemd's documented datagrams (sd_notify(3)); without a service manager nothing. */
#ifndef SLK_NET_NOTIFY_H
#define SLK_NET_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "RELOADING=1\nMONOTONIC_USEC=...", "STATUS=...". False: nobody listens, or it was lost. */
bool slk_notify(const char *state);
/* How often WATCHDOG=1 is expected; 0: it is not. */
uint64_t slk_notify_watchdog_ms(void);

#endif
