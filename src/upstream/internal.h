/* internal.h - what the files of this folder share; nobody else includes it.
 *
 * cpx_upstream  the whole: spare handles, trust stores, counters, the table of watched descriptors.
 * up_pool       one curl multi handle with its connections. `forget` makes a new one; the old one goes when its last
 * call ended. up_slot       one curl easy handle with the constant options set, reused from call to call. up_call one
 * call, the source. It holds a slot from start to end.
 *
 * Re-entry: libcurl forbids most of its functions inside its callbacks, and sinks may do anything inside ours. So every
 *           change of a transfer that comes while `pool->depth` > 0 is only noted, and done by the pool's job.
 */
#ifndef CPX_UPSTREAM_INTERNAL_H
#define CPX_UPSTREAM_INTERNAL_H

#include "base/buf.h"
#include "base/limits.h"
#include "upstream/upstream.h"

#include <curl/curl.h>

#define UP_SPARE_MAX  64                /* idle easy handles kept: some 6 KB each */
#define UP_BODY_WHOLE (64 * CPX_KB - 1) /* up to here head and body leave in one send: libcurl's own bound */
#define UP_RECV       (64 * CPX_KB)     /* a call's receive buffer: untouched pages cost nothing, bursts less CPU */
#define UP_SEND       (512 * CPX_KB)    /* of a larger body at once: each send wakes the receiver and runs the stack */
#define UP_HEAD_KEEP  (8 * CPX_KB)

typedef struct up_pool up_pool;
typedef struct up_call up_call;

typedef struct up_slot {
  CURL *easy;
  up_call *call; /* NULL while spare */
  up_pool *pool; /* the one whose socket callbacks are set */
  char *url;     /* of the last call, which `parts` is; NULL: none that can be used again */
  CURLU *parts;
  bool special;   /* options beyond the constant ones are set */
  bool wide;      /* the upload buffer has another size than libcurl's own */
  cpx_buf head;   /* header block of the answer: names (lower case) and values, back to back */
  cpx_buf fields; /* struct up_field */
  char error[CURL_ERROR_SIZE];
} up_slot;

/* A header of the answer, as places in `head`, which moves while it grows. */
typedef struct up_field {
  uint32_t name, name_len, value, value_len;
} up_field;

/* A descriptor that the loop watches for libcurl. */
typedef struct up_watch {
  uv_poll_t poll;
  up_pool *pool;
  int fd;
  int wanted;     /* what libcurl asks for now; 0: idle, or a paused call */
  int armed;      /* what the loop watches; may stay after `wanted` fell to 0, to spare two system calls a request */
  bool opened;    /* by our own callback, so that we hear when it closes */
  bool connected; /* seen so once: libcurl will tell its close */
} up_watch;

struct up_pool {
  cpx_list node; /* in cpx_upstream.pools */
  struct cpx_upstream *up;
  CURLM *multi;
  cpx_timer timer;
  cpx_job job;
  cpx_list starting; /* up_call.queue: to be added */
  cpx_list touched;  /* up_call.queue: to be resumed or removed */
  cpx_list calls;    /* up_call.node: all that hold a slot */
  size_t running, sockets;
  long kept_max;  /* as told to libcurl */
  unsigned depth; /* > 0: inside libcurl */
  bool kick;      /* libcurl asked to be called at once */
};

typedef struct up_trust up_trust;

struct cpx_upstream {
  cpx_loop *loop;
  up_pool *pool;  /* for new calls */
  cpx_list pools; /* all, the current one included */
  up_slot *spare[UP_SPARE_MAX];
  size_t spare_count;
  up_watch **watches; /* by descriptor */
  size_t watches_len;
  up_trust *trusts;
  char *url; /* the last one that was found good, and its "host:port" */
  char where[300];
  cpx_upstream_counts counts;
};

enum up_state { UP_NEW, UP_STARTING, UP_RUNNING, UP_ENDED };

struct up_call {
  cpx_source source;
  cpx_upstream *up; /* NULL after cpx_upstream_free */
  up_pool *pool;    /* from start to end */
  up_slot *slot;    /* while UP_RUNNING */
  cpx_list node, queue;
  enum up_state state;
  const char *where, *proxy_where; /* "host:port", for messages */
  const char *url, *method, *proxy_url, *unix_socket, *ca_file;
  struct curl_slist *headers;
  bool http2;

  const cpx_slice *parts; /* own array, borrowed bytes */
  size_t part_count;
  char *joined; /* several small parts in one piece */
  uint64_t body_len, body_at;
  bool has_body, body_held;
  void (*body_done)(void *user);
  void *body_user;

  uint64_t connect_ms, first_byte_ms, idle_ms, total_ms;
  uint64_t started, active; /* loop time: start; last byte either way */
  cpx_timer timer;

  uint32_t sends;               /* how often a connection was ready for the request */
  bool answered;                /* some bytes of an answer came */
  bool head_done, paused, held; /* held: libcurl keeps data that we refused while paused */
  bool dropped;                 /* nobody listens any more; to be removed */
  bool freed;                   /* the memory goes when the last user below us returns */
  unsigned busy;                /* inside the sink's callbacks */
  size_t lingered;              /* bytes thrown away since nobody wants them */
  bool skipping;                /* lines of an interim answer's head */
  int status;
  int64_t length;
  int err; /* why we aborted the transfer ourselves; 0: libcurl's code tells */
  const char *err_text;
};

/* pool.c */
CPX_MUST_CHECK int up_pool_new(cpx_upstream *up, up_pool **out);
/* Frees an old pool once nothing runs in it. */
void up_pool_reap(up_pool *pool);
void up_pool_free(up_pool *pool);
void up_pool_start(up_pool *pool, up_call *call);
/* Has the pool look at the call (dropped, resumed) outside libcurl. */
void up_pool_touch(up_pool *pool, up_call *call);
curl_socket_t up_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address);
int up_close_socket(void *user, curl_socket_t fd);

/* slot.c */
CPX_MUST_CHECK int up_slot_take(up_call *call);
void up_slot_give(cpx_upstream *up, up_slot *slot);
void up_slot_free(up_slot *slot);

/* call.c */
void up_call_attached(up_call *call);
/* The transfer is out of libcurl: ends the call, telling the sink unless dropped. */
void up_call_finish(up_call *call, CURLcode code);
/* The same without a word to the sink. */
void up_call_detach(up_call *call);

/* answer.c: libcurl's callbacks for the answer */
size_t up_on_header(char *line, size_t size, size_t n, void *user);
size_t up_on_body(char *bytes, size_t size, size_t n, void *user);

/* outcome.c */
typedef struct up_outcome {
  int err;
  char text[512];
} up_outcome;
/* Must be called while the slot still belongs to the call. */
void up_outcome_of(const up_call *call, CURLcode code, up_outcome *out);
void up_outcome_timeout(const up_call *call, const char *stage, uint64_t ms, up_outcome *out);

/* check.c: what a call's options may hold. CPX_EINVAL and a message that never shows a secret. */
CPX_MUST_CHECK int up_check_method(const char *method, char *message, size_t n);
/* `where` receives "host:port". */
CPX_MUST_CHECK int up_check_url(const char *url, char *where, size_t where_n, char *message, size_t n);
CPX_MUST_CHECK int up_check_proxy(const char *url, char *where, size_t where_n, char *message, size_t n);
CPX_MUST_CHECK int up_check_header(const cpx_header *header, char *message, size_t n);
/* Headers that belong to one connection, and those that this folder sets itself. */
bool up_is_hop_header(cpx_slice name);
bool up_is_own_header(cpx_slice name);

/* trust.c */
CPX_MUST_CHECK int up_trust_check(cpx_upstream *up, const char *ca_file, char *message, size_t n);
CURLcode up_on_ssl_ctx(CURL *easy, void *ssl_ctx, void *user);
void up_trust_free_all(cpx_upstream *up);

#endif
