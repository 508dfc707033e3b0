/* daemon.h: a node as a process: one libuv loop with the mesh, the node, HTTP and signals. */
#ifndef SLK_NET_DAEMON_H
#define SLK_NET_DAEMON_H

#include "net/config.h"
#include "net/node.h"

/* Runs until SIGTERM or SIGINT, which let requests under way end (a second one does not), or until the node fails. `file` is read again
 * on SIGHUP. The exit status: 0 stopped as asked, 1 it failed, or its token was away at the start, 2 it could not start; a line in the log
 * says why. */
int slk_daemon_run(const struct slk_config *config, const char *file);

/* Stands between the node and its mesh: in a test program that is a dishonest member (tests/e2e/liar.c), never in sillokd. */
struct slk_daemon_between {
    void *ctx;
    /* In place of slk_mesh_send; may call it as often as it likes, also for other messages and other peers. */
    bool (*send)(void *ctx, struct slk_node *node, struct slk_mesh *mesh, uint16_t peer,
        enum slk_frame_type type, struct slk_span message);
    /* False: the node does not hear the message. */
    bool (*hear)(void *ctx, struct slk_node *node, struct slk_mesh *mesh, uint16_t peer,
        enum slk_frame_type type, struct slk_span message);
};
int slk_daemon_run_between(
    const struct slk_config *config, const char *file, const struct slk_daemon_between *between);

#endif
