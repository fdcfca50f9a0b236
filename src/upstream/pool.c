#include "upstream/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define POOL_ROUNDS 4 /* calls that libcurl may ask for in one job before others get their turn */

/* Watched descriptors. */

static up_watch *watch_of(const cpx_upstream *up, int fd) {
  return fd >= 0 && (size_t)fd < up->watches_len ? up->watches[fd] : NULL;
}

static up_watch *watch_new(up_pool *pool, int fd, bool opened) {
  cpx_upstream *up = pool->up;
  if ((size_t)fd >= up->watches_len) {
    size_t len = (size_t)fd * 2 + 64;
    up_watch **grown = realloc(up->watches, len * sizeof(up_watch *));
    if (!grown) return NULL;
    memset(grown + up->watches_len, 0, (len - up->watches_len) * sizeof(up_watch *));
    up->watches = grown;
    up->watches_len = len;
  }
  up_watch *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  if (uv_poll_init(cpx_loop_uv(up->loop), &w->poll, fd) != 0) {
    free(w);
    return NULL;
  }
  w->poll.data = w;
  w->pool = pool;
  w->fd = fd;
  w->opened = opened;
  up->watches[fd] = w;
  if (opened) pool->sockets++;
  return w;
}

static void on_watch_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void watch_free(cpx_upstream *up, up_watch *w) {
  up->watches[w->fd] = NULL;
  if (w->opened) w->pool->sockets--;
  uv_poll_stop(&w->poll);
  uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static void pool_settle(up_pool *pool);

static void on_ready(uv_poll_t *poll, int status, int events) {
  up_watch *w = poll->data;
  up_pool *pool = w->pool;
  int fd = w->fd, running;
  if (status < 0) w->armed = 0; /* libuv stopped watching */
  if (w->wanted == 0) {
    /* An idle connection was closed by the other side, or a paused call has more data. */
    uv_poll_stop(poll);
    w->armed = 0;
    return;
  }
  /* An error on the socket is told as "ready": reading it gives the bytes before the error, then its reason. */
  int bits = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT : 0;
  if (events & UV_READABLE) bits |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) bits |= CURL_CSELECT_OUT;
  pool->depth++;
  curl_multi_socket_action(pool->multi, fd, bits, &running);
  pool->depth--;
  w = watch_of(pool->up, fd);
  if (w && w->pool == pool && w->wanted && w->armed != w->wanted && uv_poll_start(&w->poll, w->wanted, on_ready) == 0)
    w->armed = w->wanted;
  pool_settle(pool);
}

static bool is_connected(int fd) {
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer;
  return getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user) {
  (void)easy;
  (void)socket_user;
  up_pool *pool = user;
  up_watch *w = watch_of(pool->up, fd);
  if (what == CURL_POLL_REMOVE) {
    if (!w) return 0;
    w->wanted = 0;
    /* The resolver's own pipe; or a socket that never connected: libcurl closes such a one without a word, and a watch
     * that outlives its descriptor is libuv's end. */
    if (w->opened && !w->connected) w->connected = is_connected(fd);
    if (!w->connected)
      watch_free(pool->up, w);
    else
      uv_unref((uv_handle_t *)&w->poll);
    return 0;
  }
  if (!w) w = watch_new(pool, fd, false);
  if (!w) return -1;
  if (w->wanted == 0) uv_ref((uv_handle_t *)&w->poll);
  w->wanted = what; /* CURL_POLL_IN, _OUT, _INOUT are UV_READABLE, UV_WRITABLE and both */
  if (w->armed == what) return 0;
  if (uv_poll_start(&w->poll, what, on_ready) != 0) return -1;
  w->armed = what;
  return 0;
}

curl_socket_t up_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
  (void)purpose;
  up_pool *pool = user;
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  /* One address failed and the next is tried: libcurl may take the new socket for the old one, of the same number, and
   * not ask again for what it waits for. */
  up_watch *stale = watch_of(pool->up, fd);
  int wanted = stale ? stale->wanted : 0;
  if (stale) watch_free(pool->up, stale);
  up_watch *w = watch_new(pool, fd, true);
  if (w && wanted && uv_poll_start(&w->poll, wanted, on_ready) == 0) w->wanted = w->armed = wanted;
  if (!w) {
    close(fd);
    errno = ENOMEM;
    return CURL_SOCKET_BAD;
  }
  return fd;
}

int up_close_socket(void *user, curl_socket_t fd) {
  up_pool *pool = user;
  up_watch *w = watch_of(pool->up, fd);
  if (w) watch_free(pool->up, w);
  return close(fd);
}

/* libcurl's clock. */

static int on_timer_wish(CURLM *multi, long ms, void *user) {
  (void)multi;
  up_pool *pool = user;
  pool->kick = ms == 0;
  if (ms == 0) {
    cpx_timer_stop(&pool->timer);
    cpx_loop_defer(pool->up->loop, &pool->job);
    return 0;
  }
  if (ms < 0) {
    cpx_timer_stop(&pool->timer);
    return 0;
  }
  return cpx_timer_start(&pool->timer, (uint64_t)ms) == 0 ? 0 : -1;
}

static void on_timer(cpx_timer *timer) {
  up_pool *pool = CPX_CONTAINER(timer, up_pool, timer);
  pool->kick = true;
  cpx_loop_defer(pool->up->loop, &pool->job);
}

/* Calls. */

static void pool_remove(up_pool *pool, up_call *call) {
  pool->depth++;
  curl_multi_remove_handle(pool->multi, call->slot->easy);
  pool->depth--;
}

/* Hands out what ended. */
static void pool_settle(up_pool *pool) {
  CURLMsg *msg;
  int left;
  if (pool->depth > 0) return;
  while ((msg = curl_multi_info_read(pool->multi, &left))) {
    if (msg->msg != CURLMSG_DONE) continue;
    up_slot *slot = NULL;
    CURLcode code = msg->data.result;
    curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &slot);
    pool_remove(pool, slot->call);
    up_call_finish(slot->call, code);
  }
  if (pool->running == 0 && pool != pool->up->pool) cpx_loop_defer(pool->up->loop, &pool->job);
}

/* Kept connections come on top of those in use: libcurl's figure counts both. */
static void pool_make_room(up_pool *pool) {
  long want = CPX_UP_POOL + (long)((pool->running + 255) / 256 * 256);
  if (want <= pool->kept_max && want + 512 > pool->kept_max) return;
  pool->kept_max = want;
  curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, want);
}

static void pool_add(up_pool *pool, up_call *call) {
  pool_make_room(pool);
  int err = up_slot_take(call);
  CURLMcode code = CURLM_OUT_OF_MEMORY;
  if (!err) code = curl_multi_add_handle(pool->multi, call->slot->easy);
  if (code != CURLM_OK) {
    call->err = CPX_ENOMEM;
    call->err_text = "out of memory";
    up_call_finish(call, CURLE_OUT_OF_MEMORY);
    return;
  }
  up_call_attached(call);
}

static void pool_tend(up_pool *pool, up_call *call) {
  if (call->dropped) {
    pool_remove(pool, call);
    up_call_detach(call);
  } else if (call->held && !call->paused) {
    call->held = false;
    pool->depth++;
    curl_easy_pause(call->slot->easy, CURLPAUSE_CONT); /* may call our write callback */
    pool->depth--;
  }
}

static void pool_run(cpx_job *job) {
  up_pool *pool = CPX_CONTAINER(job, up_pool, job);
  cpx_list *node;
  int running;
  cpx_list batch;
  cpx_list_init(&batch);
  cpx_list_move(&batch, &pool->touched);
  while ((node = cpx_list_shift(&batch))) pool_tend(pool, CPX_CONTAINER(node, up_call, queue));
  cpx_list_move(&batch, &pool->starting);
  while ((node = cpx_list_shift(&batch))) pool_add(pool, CPX_CONTAINER(node, up_call, queue));
  for (int round = 0; pool->kick && round < POOL_ROUNDS; round++) {
    pool->kick = false;
    pool->depth++;
    curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    pool->depth--;
  }
  pool_settle(pool);
  if (pool->kick || !cpx_list_empty(&pool->touched))
    cpx_loop_defer(pool->up->loop, &pool->job);
  else
    up_pool_reap(pool);
}

void up_pool_start(up_pool *pool, up_call *call) {
  pool->running++;
  cpx_list_push(&pool->calls, &call->node);
  cpx_list_push(&pool->starting, &call->queue);
  cpx_loop_defer(pool->up->loop, &pool->job);
}

void up_pool_touch(up_pool *pool, up_call *call) {
  if (call->dropped && pool->depth == 0) {
    cpx_list_remove(&call->queue);
    pool_tend(pool, call);
    if (pool->running == 0) cpx_loop_defer(pool->up->loop, &pool->job);
    return;
  }
  cpx_list_remove(&call->queue);
  cpx_list_push(&pool->touched, &call->queue);
  cpx_loop_defer(pool->up->loop, &pool->job);
}

/* Pools. */

int up_pool_new(cpx_upstream *up, up_pool **out) {
  up_pool *pool = calloc(1, sizeof *pool);
  CURLM *multi = curl_multi_init();
  if (!pool || !multi) {
    free(pool);
    if (multi) curl_multi_cleanup(multi);
    return CPX_ENOMEM;
  }
  pool->up = up;
  pool->multi = multi;
  pool->kept_max = CPX_UP_POOL;
  cpx_list_init(&pool->starting);
  cpx_list_init(&pool->touched);
  cpx_list_init(&pool->calls);
  cpx_timer_init(&pool->timer, up->loop, on_timer);
  cpx_job_init(&pool->job, pool_run);
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, pool->kept_max);
  cpx_list_push(&up->pools, &pool->node);
  *out = pool;
  return 0;
}

void up_pool_reap(up_pool *pool) {
  if (pool != pool->up->pool && pool->running == 0 && pool->depth == 0) up_pool_free(pool);
}

void up_pool_free(up_pool *pool) {
  while (!cpx_list_empty(&pool->calls)) {
    up_call *call = CPX_CONTAINER(pool->calls.next, up_call, node);
    call->dropped = true;
    cpx_list_remove(&call->queue);
    if (call->slot) pool_remove(pool, call);
    call->up = NULL;
    up_call_detach(call);
  }
  curl_multi_cleanup(pool->multi); /* closes its connections: up_close_socket */
  cpx_timer_stop(&pool->timer);
  cpx_job_cancel(&pool->job);
  cpx_list_remove(&pool->node);
  free(pool);
}
