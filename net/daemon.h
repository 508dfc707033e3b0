/* daemon.h: a node as a process: one libuv loop with the mesh, the node, HTTP and signals. */
#ifndef SLK_NET_DAEMON_H
#define SLK_NET_DAEMON_H

#include "net/config.h"

/* Runs until SIGTERM or SIGINT, which let requests under way end (a second one does not), or until the node fails. `file` is read again
 * on SIGHUP. The exit status: 0 stopped as asked, 1 it failed, 2 it could not start; a line in the log says why. */
int slk_daemon_run(const struct slk_config *config, const char *file);

#endif
