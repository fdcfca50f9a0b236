/* exchange_lua.h - the Lua face of an exchange, shared by the bindings of server and reply. */
#ifndef CPX_LUA_EXCHANGE_LUA_H
#define CPX_LUA_EXCHANGE_LUA_H

#include "base/list.h"
#include "http/server.h"
#include "lua/json_lua.h"
#include "lua/vm.h"

/* The userdata. Lives as long as its task; afterwards `ex` is NULL and every use raises "the exchange has ended". */
typedef struct cpx_lua_exchange {
  cpx_exchange *ex;  /* one reference */
  cpx_json_doc *doc; /* the body's document, or NULL */
  cpx_task *task;    /* the request's own */
  cpx_task *writer;  /* waits in exchange:write, or NULL */
  lua_State *L;      /* the VM's main state, for callbacks */
  cpx_list replies;  /* open replies of this request: closed with it */
  int gone_ref;      /* function of on_gone, or LUA_NOREF */
  int self_ref;      /* anchors the userdata while its task runs */
} cpx_lua_exchange;

/* Makes the metatable; called once by cpx_open_server. */
void cpx_lua_exchange_register(lua_State *L);
/* Pushes a new userdata that takes the caller's reference to `ex`. */
cpx_lua_exchange *cpx_lua_exchange_push(lua_State *L, cpx_exchange *ex);
/* Checks the argument and that the exchange is alive. */
cpx_lua_exchange *cpx_lua_exchange_check(lua_State *L, int index);
/* The end of the request's task: unanswered becomes a 500, half answered is cut; document and replies are closed. */
void cpx_lua_exchange_finish(cpx_lua_exchange *lx);

/* Something that must end with the request. `close` must remove the node. */
typedef struct cpx_lua_attached {
  cpx_list node;
  void (*close)(struct cpx_lua_attached *attached);
} cpx_lua_attached;

#endif
