#include "upstream/internal.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void curl_start(void) {
  curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int cpx_upstream_new(cpx_loop *loop, cpx_upstream **out) {
  pthread_once(&curl_once, curl_start);
  if (curl_ready != CURLE_OK) return CPX_ENOMEM;
  cpx_upstream *up = calloc(1, sizeof *up);
  if (!up) return CPX_ENOMEM;
  up->loop = loop;
  cpx_list_init(&up->pools);
  int err = up_pool_new(up, &up->pool);
  if (err) {
    free(up);
    return err;
  }
  *out = up;
  return 0;
}

void cpx_upstream_free(cpx_upstream *up) {
  if (!up) return;
  up->pool = NULL;
  while (!cpx_list_empty(&up->pools)) up_pool_free(CPX_CONTAINER(up->pools.next, up_pool, node));
  for (size_t i = 0; i < up->spare_count; i++) up_slot_free(up->spare[i]);
  up_trust_free_all(up);
  free(up->watches);
  free(up->url);
  free(up);
}

cpx_upstream_counts cpx_upstream_count(const cpx_upstream *up) {
  cpx_upstream_counts counts = up->counts;
  size_t sockets = 0;
  counts.running = 0;
  for (const cpx_list *at = up->pools.next; at != &up->pools; at = at->next) {
    const up_pool *pool = CPX_CONTAINER(at, up_pool, node);
    counts.running += pool->running;
    sockets += pool->sockets;
  }
  counts.kept = sockets > counts.running ? sockets - counts.running : 0;
  return counts;
}

void cpx_upstream_forget(cpx_upstream *up) {
  up_pool *old = up->pool, *fresh;
  up_trust_free_all(up);
  /* Without memory for a new pool the old one stays: connections are then only as fresh as CPX_UP_MAXAGE_S. */
  if (up_pool_new(up, &fresh) != 0) return;
  up->pool = fresh;
  up_pool_reap(old);
}
