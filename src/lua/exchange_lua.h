/* exchange_lua.h - the Lua face of an exchange, shared by the bindings of server and reply.
 *
 * Owns:    one reference to the exchange, the body's document, and what is attached (open replies); all end with the
 *          request's task, in cpx_lua_exchange_finish. Afterwards `ex` is NULL and every use in Lua raises.
 * Anchors: the registry holds the userdata while its task lives; a task that waits in one of its methods holds it on
 * its stack. So C may point to it from callbacks. Bounds:  a writer waits once CPX_CONN_OUT_HIGH bytes are pending.
 * Errors:  functions that take a lua_State raise; call them protected. The others never touch Lua's memory.
 */
#ifndef CPX_LUA_EXCHANGE_LUA_H
#define CPX_LUA_EXCHANGE_LUA_H

#include "base/list.h"
#include "http/server.h"
#include "lua/json_lua.h"
#include "lua/vm.h"

/* The userdata. */
typedef struct cpx_lua_exchange {
  const void *tag;   /* see tagged.h */
  cpx_list node;     /* among the server's live exchanges */
  cpx_exchange *ex;  /* one reference */
  cpx_json_doc *doc; /* the body's document, or NULL */
  cpx_task *task;    /* the request's own */
  cpx_task *writer;  /* waits in exchange:write, or NULL */
  cpx_job recheck;   /* a turn after a writer began to wait: whether the connection took it all at once */
  lua_State *L;      /* the VM's main state, for callbacks */
  cpx_list replies;  /* open replies of this request: closed with it */
  int gone_ref;      /* function of on_gone, or LUA_NOREF */
  bool gone_table;   /* on_gone got a table: the userdata's environment */
  int self_ref;      /* anchors the userdata while its task runs */
} cpx_lua_exchange;

/* Loads cliproxy.json, whose nodes the bindings push. */
void cpx_lua_require_json(lua_State *L);
/* Makes the metatable; called once by cpx_open_server. */
void cpx_lua_exchange_register(lua_State *L);
/* Pushes a new userdata that takes the caller's reference to `ex` and stands in the list `live` until its end. */
cpx_lua_exchange *cpx_lua_exchange_push(lua_State *L, cpx_exchange *ex, cpx_list *live);
/* Checks the argument and that the exchange is alive. */
cpx_lua_exchange *cpx_lua_exchange_check(lua_State *L, int index);
/* The end of the request's task: unanswered becomes a 500, half answered is cut; document and replies are closed. */
void cpx_lua_exchange_finish(cpx_lua_exchange *lx);
/* The live exchange whose body `doc` is; NULL for all other documents. */
cpx_lua_exchange *cpx_lua_exchange_of(lua_State *L, const cpx_json_doc *doc);

/* api_exchange_answer.c: the methods that give the answer. */
extern const luaL_Reg cpx_lua_exchange_answer[];
/* The task that waits in exchange:write goes on; nothing when none waits. */
void cpx_lua_exchange_wake_writer(cpx_lua_exchange *lx);
/* The job `recheck`. */
void cpx_lua_exchange_recheck(cpx_job *job);

/* Something that must end with the request. `close` must remove the node. */
typedef struct cpx_lua_attached {
  cpx_list node;
  void (*close)(struct cpx_lua_attached *attached);
} cpx_lua_attached;

#endif
