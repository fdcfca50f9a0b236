/* reply_lua.h - the Lua face of a reply, shared by send (upstream calls) and execute (a script's own transport).
 *
 * Owns:    the reply and with it the source, the document of reply:document(), and the request's body until the call
 * has taken it. All ends in cpx_lua_reply_close: by the script, with the request, with a cancelled wait, or by the
 *          collector.
 * Anchors: nothing but the stack of the task that waits. Callbacks come only while one waits, or to a struct that the
 *          reply frees first.
 * Bounds:  CPX_REPLY_MAX for whole bodies; the reply's own for the rest.
 * Errors:  misuse raises, before anything is made that Lua does not own; failures of the call are nil, message, code or
 *          a reply with status 0. A task that waits while another closes the reply gets "the reply was closed".
 */
#ifndef CPX_LUA_REPLY_LUA_H
#define CPX_LUA_REPLY_LUA_H

#include "http/reply.h"
#include "lua/exchange_lua.h"

/* The bytes of a request on their way out: a document's parts, a Lua string, or a list of such, held until libcurl
 * needs them no more. */
typedef struct cpx_lua_body {
  cpx_json_doc *doc; /* a reference, or NULL */
  cpx_exchange *ex;  /* whose body the document borrows, a reference; or NULL */
  cpx_json_parts parts;
  cpx_slice string;
  lua_State *L;
  int string_ref; /* or LUA_NOREF */
} cpx_lua_body;

#define CPX_LUA_REPLY_TYPE "cliproxy.Reply"

/* The userdata. */
typedef struct cpx_lua_reply {
  const void *tag;           /* see tagged.h */
  cpx_lua_attached attached; /* to the exchange whose task made it, or to which it is relayed */
  cpx_reply *reply;          /* NULL once closed */
  cpx_task *task;            /* waits for it, or NULL */
  lua_State *co;             /* of that task: its stack holds this userdata, and on top what push_kept hands on */
  int (*push)(lua_State *L, void *ud); /* what the waiting task gets */
  lua_State *L;                        /* the main state */
  cpx_lua_body *body;                  /* until a call has taken it */
  cpx_json_doc *doc;                   /* of reply:document(), closed with the reply */
  uint64_t started_ns;
  char *kind;         /* writer.fail's, malloc-ed, or NULL */
  bool script_failed; /* execute() itself raised */
  cpx_relayed relayed;
  bool brief;        /* reply:relay answers true alone where nothing is to be told */
  cpx_buf collected; /* the whole body, from on_done to its push */
  int collect_err;
  bool as_document;
  cpx_job give_way;      /* goes on with next_event in the next turn */
  uint64_t turn_ns;      /* when this turn's events began, 0: not yet */
  size_t turn_bytes;     /* of events given to Lua in this turn */
  cpx_exchange *lane_ex; /* where the lane writes, a reference; or NULL */
} cpx_lua_reply;

void cpx_lua_reply_register(lua_State *L);
/* Pushes an empty userdata, attached to the running request if there is one. */
cpx_lua_reply *cpx_lua_reply_push(lua_State *L);
/* The argument 1, still open; the argument at `index`. */
cpx_lua_reply *cpx_lua_reply_check(lua_State *L);
/* The argument 1, open or closed. */
cpx_lua_reply *cpx_lua_reply_any(lua_State *L);
/* Registry keys of the metatables: of a reply, and of a closed one that has nothing left to finalize. */
extern const char cpx_lua_reply_live, cpx_lua_reply_ended;
/* Gives the userdata on top the metatable of that key. */
void cpx_lua_reply_set_metatable(lua_State *L, const char *key);
cpx_lua_reply *cpx_lua_reply_check_at(lua_State *L, int index);
/* Reads what a reply needs from the table at `index`. Raises. */
void cpx_lua_reply_options(lua_State *L, int index, const char *what, cpx_reply_options *options);
/* Seconds as a number from 0 on, in milliseconds, never 0 for a time given; 0: nil. Raises. */
uint64_t cpx_lua_time_of(lua_State *L, int index, const char *what, const char *name);
/* "sse", …; nil is "sse". Raises on another. */
enum cpx_framing cpx_lua_framing_of(lua_State *L, int index, const char *what);
/* A dialect's name; whatever it is not is CPX_DIALECT_OTHER. */
enum cpx_dialect cpx_lua_dialect_of(lua_State *L, int index);
/* The last thing of a binding: starts `source` (taken, also on failure) and waits until it commits. `lr` is on top. */
int cpx_lua_reply_start(lua_State *L, cpx_lua_reply *lr, cpx_source *source, cpx_reply_options *options);
/* The last thing of a binding: waits for a callback, which calls _wake. `push` runs also when the reply was closed. */
int cpx_lua_reply_wait(lua_State *L, cpx_lua_reply *lr, int (*push)(lua_State *L, void *ud));
/* Wakes the waiting task; nothing when none waits. */
void cpx_lua_reply_wake(cpx_lua_reply *lr);
/* A `push`: the value on top of the waiting task's stack. */
int cpx_lua_reply_push_kept(lua_State *L, void *ud);
/* Cancels what runs and frees what is held; harmless when done before. */
void cpx_lua_reply_close(cpx_lua_reply *lr);
/* nil, message, code; without a text the code's own. */
int cpx_lua_reply_fail(lua_State *L, int err, const char *text);
/* nil, "the reply was closed", "closed" */
int cpx_lua_reply_fail_closed(lua_State *L);
/* The source's own words where it ended with `err`, else NULL. */
const char *cpx_lua_reply_end_text(const cpx_lua_reply *lr, int err);

/* { type, data, raw } */
int cpx_lua_push_event(lua_State *L, const cpx_event *event);

/* Body of a request: of the value at `index` (a document, a string, nil), owned by lr. Returns 0 or CPX_E*. Raises. */
CPX_MUST_CHECK int cpx_lua_body_read(lua_State *L, int index, cpx_lua_reply *lr);
void cpx_lua_body_free(void *body);

/* api_reply_read.c: the methods that wait. */
int cpx_lua_reply_relay(lua_State *L);
int cpx_lua_reply_next_event(lua_State *L);
int cpx_lua_reply_body(lua_State *L);
int cpx_lua_reply_document(lua_State *L);
/* The lane's: use_lane, learn, forget, absorbed. */
int cpx_lua_reply_use_lane(lua_State *L);
int cpx_lua_reply_learn(lua_State *L);
int cpx_lua_reply_forget(lua_State *L);
int cpx_lua_reply_absorbed(lua_State *L);
/* The job behind next_event. */
void cpx_lua_reply_give_way(cpx_job *job);

/* cliproxy.reply.execute */
int cpx_lua_execute(lua_State *L);

#endif
