/* daemon_metrics.h: what /metrics says of a running node, its connections and its process, beside what the API counts itself. */
#ifndef SLK_NET_DAEMON_METRICS_H
#define SLK_NET_DAEMON_METRICS_H

#include "net/api.h"
#include "net/mesh.h"

void slk_print_node_metrics(struct slk_api_text *text, struct slk_node *node);
void slk_print_mesh_metrics(struct slk_api_text *text, const struct slk_mesh *mesh);
/* The names that every Prometheus client library gives to these: no `sillok_` in front. */
void slk_print_process_metrics(struct slk_api_text *text, uint64_t started_s);

#endif
