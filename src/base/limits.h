/* limits.h - every bound of the core, in one place, each with its reason.
 *
 * Bytes unless the name ends in _MS (milliseconds), _NS or counts things. A bound that a user may move is an option in
 * config.lua, and the figure here is its default.
 */
#ifndef CPX_BASE_LIMITS_H
#define CPX_BASE_LIMITS_H

#define CPX_KB 1024UL
#define CPX_MB (1024UL * 1024UL)

/* HTTP server. Heads: agents send long beta lists and cookies of other localhost servers; nginx allows 32 KB. */
#define CPX_HTTP_HEAD_MAX        (100 * CPX_KB)
#define CPX_HTTP_HEADERS_MAX     256
#define CPX_HTTP_URL_MAX         (16 * CPX_KB)
#define CPX_HTTP_BODY_MAX        (64 * CPX_MB)  /* option body_limit; images come inline as base64 */
#define CPX_HTTP_BODIES_MAX      (512 * CPX_MB) /* all request bodies of one worker together; beyond: 503 */
#define CPX_HTTP_BODY_LARGE      (128 * CPX_KB) /* from here on a body's memory is worth giving back to the system, */
#define CPX_HTTP_TRIM_MS         3000          /* that long after the last such body: agents send one after the other */
#define CPX_HTTP_PIPELINE_MAX    (64 * CPX_KB) /* bytes read ahead while an earlier request is being answered */
#define CPX_HTTP_HEAD_TIMEOUT_MS 10000
#define CPX_HTTP_BODY_TIMEOUT_MS 30000 /* without a byte */
#define CPX_HTTP_IDLE_TIMEOUT_MS 75000 /* nginx's keep-alive default: clients expect no less */
#define CPX_HTTP_SEND_TIMEOUT_MS 60000 /* without a byte leaving, while some wait */
#define CPX_DRAIN_TIMEOUT_MS     30000 /* option drain_timeout: live streams at SIGTERM */

/* Connections: past HIGH the source is paused, below LOW it is resumed, past MAX the connection is an error. */
#define CPX_CONN_OUT_HIGH  (256 * CPX_KB)
#define CPX_CONN_OUT_LOW   (64 * CPX_KB)
#define CPX_CONN_OUT_MAX   (128 * CPX_MB) /* whole answers are written at once; streams stop at HIGH */
#define CPX_CONN_LINGER_MS 1000           /* after the last byte: time to read it before a reset */
#define CPX_CONN_READ      (64 * CPX_KB)  /* one buffer a loop, shared by all connections */
#define CPX_LISTEN_BACKLOG 1024
#define CPX_FD_RESERVE     64 /* accept stops when fewer descriptors are left: upstream calls and files need some */

/* Streams from upstream. */
#define CPX_EVENT_MAX      (32 * CPX_MB)  /* one SSE event: images arrive whole */
#define CPX_PEEK_MAX       (64 * CPX_KB)  /* held before the answer is committed */
#define CPX_REPLY_MAX      (64 * CPX_MB)  /* a whole answer that a script wants to see */
#define CPX_REPLY_QUEUE    (64 * CPX_KB)  /* events waiting for a script; beyond: the source is paused */
#define CPX_ERROR_BODY_MAX (64 * CPX_KB)  /* what classify() sees of a failed reply */
#define CPX_LANE_FORM_MAX  (16 * CPX_KB)  /* an event of a translated stream that is worth a form (http/lane.h) */
#define CPX_LANE_HELD_MAX  (512 * CPX_KB) /* made of a stream's events before the translator is asked again */
#define CPX_TURN_BYTES     (64 * CPX_KB)  /* of one stream, given to Lua in one loop turn */
#define CPX_TURN_NS        1000000UL      /* of Lua for one stream in one loop turn */

/* Upstream calls: options timeouts.{connect,first_byte,idle,total} per instance. */
#define CPX_UP_CONNECT_MS    10000
#define CPX_UP_FIRST_BYTE_MS 300000 /* reasoning models think for minutes before the first byte */
#define CPX_UP_IDLE_MS       120000
#define CPX_UP_TOTAL_MS      3600000
#define CPX_UP_HEAD_MAX      (100 * CPX_KB)
#define CPX_UP_HEADERS_MAX   1000 /* of one answer: each is looked up in what Connection names */
#define CPX_UP_MAXAGE_S      50   /* a kept connection older than this is not reused: servers close at 60 and more */
#define CPX_UP_POOL          256  /* kept connections */
/* A stream's last event was seen, the end of its HTTP message was not: it comes with the next packet. Waiting for it
 * spares the next call a handshake; servers that send more, or nothing, cost a connection. */
#define CPX_UP_LINGER_MS  1000
#define CPX_UP_LINGER_MAX (64 * CPX_KB)

/* JSON. */
#define CPX_JSON_DEPTH_MAX 512       /* protocols nest below 40; schemas of real tools below 20 */
#define CPX_JSON_NODES_MAX 8000000UL /* 16 bytes a node: twice a 64 MB body of short values */
#define CPX_JSON_KEYS_MAX  100000UL  /* of one object */

/* Scripts. */
#define CPX_SLICE_CPU_MS   50
#define CPX_SLICE_TICK_MS  10
#define CPX_SLICE_MEM      (64 * CPX_MB)
#define CPX_VM_SOFT_MEM    (512 * CPX_MB) /* with documents; beyond: collect between slices, 503 for new requests */
#define CPX_LUA_STRING_MAX (16 * CPX_MB)  /* what string.rep, format, table.concat and gsub may make at once */
#define CPX_PATTERN_STEPS  2000000UL      /* matcher steps of one find, match, gmatch step or gsub: some 20 ms */
#define CPX_SCRIPT_MAX     (1 * CPX_MB)   /* one script file */
#define CPX_TASKS_MAX      20000
#define CPX_STATE_KEYS_MAX 100000
#define CPX_STATE_MEM_MAX  (32 * CPX_MB)
#define CPX_FLOATS_MAX     1000000UL /* of one vector of an embedding; models give some thousands */

/* The token vault. Access tokens with many claims have some 8 KB. */
#define CPX_TOKEN_MAX      (256 * CPX_KB)
#define CPX_VAULT_NAME_MAX 200  /* of an encoded account name: a file name may have 255 bytes, and ours adds to it */
#define CPX_VAULT_LOCK_MS  5000 /* for other processes that write to the same folder; a write takes milliseconds */

/* Files. */
#define CPX_WATCH_DEBOUNCE_MS 20
#define CPX_WATCH_POLL_MS     1000

#endif
