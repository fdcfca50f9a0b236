/* reply_lua.h - the Lua face of a reply, shared by send (upstream calls) and execute (a script's own transport). */
#ifndef CPX_LUA_REPLY_LUA_H
#define CPX_LUA_REPLY_LUA_H

#include "http/reply.h"
#include "lua/exchange_lua.h"

/* The bytes of a request on their way out: a document's parts or a Lua string, held until libcurl needs them no more.
 */
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
  cpx_lua_attached attached; /* to the exchange whose task made it */
  cpx_reply *reply;          /* NULL once closed */
  cpx_task *task;            /* waits for it, or NULL */
  lua_State *L;
  cpx_json_doc *doc; /* of reply:document(), closed with the reply */
  enum cpx_dialect dialect;
  uint64_t started_ns;
  char *kind;         /* writer.fail's, malloc-ed, or NULL */
  bool script_failed; /* execute() itself raised */
  int self_ref;       /* anchors the userdata while a callback may come */
  cpx_job give_way;   /* goes on with next_event in the next turn */
  uint64_t turn_ns;   /* when this turn's events began, 0: not yet */
  size_t turn_bytes;  /* of events given to Lua in this turn */
} cpx_lua_reply;

void cpx_lua_reply_register(lua_State *L);
/* Pushes an empty userdata, attached to the running request if there is one. */
cpx_lua_reply *cpx_lua_reply_push(lua_State *L);
/* Starts `source` (taken, also on failure) with the options of the table at `index` and waits until it commits. */
int cpx_lua_reply_wait(lua_State *L, cpx_lua_reply *lr, cpx_source *source, int index);
/* Cancels what runs and frees what is held; harmless when done before. */
void cpx_lua_reply_close(cpx_lua_reply *lr);
/* The waiting task, which the caller is about to wake. */
cpx_task *cpx_lua_reply_take_task(cpx_lua_reply *lr);
/* The cancel hook of everything that waits for a reply: a cancelled task's call is cancelled with it. */
void cpx_lua_reply_cancel_wait(void *ud);
/* nil, message, code */
int cpx_lua_reply_fail(lua_State *L, int err, const char *text);
/* The job behind next_event. */
void cpx_lua_reply_give_way(cpx_job *job);
/* cliproxy.reply.execute */
int cpx_lua_execute(lua_State *L);

#endif
