#include "base/log.h"
#include "lua/vm.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_MAX 256

/* -- all, any: a group of child tasks that one parent waits for ------------------------------------------------- */

typedef struct group group;

typedef struct member {
  group *group;
  cpx_task *task; /* NULL once ended */
  int index;
} member;

/* A userdata, kept by `ref` until every child has ended; its environment is the table of results. */
struct group {
  lua_State *L; /* the main state: only to drop `ref` */
  cpx_task *parent;
  bool any; /* the first success wakes; else the first failure does */
  bool woken;
  int left, total;
  int ref;
  int results; /* number in the table that are handed on */
  member members[];
};

static void cancel_rest(group *g) {
  for (int i = 0; i < g->total; i++)
    if (g->members[i].task) cpx_task_cancel(g->members[i].task);
}

static void release(lua_State *L, group *g) {
  luaL_unref(L, LUA_REGISTRYINDEX, g->ref);
  g->ref = LUA_NOREF;
}

static void cancel_group(void *ud) {
  group *g = ud;
  g->woken = true;
  cancel_rest(g);
  release(g->L, g);
}

static int push_outcome(lua_State *L, void *ud) {
  group *g = ud;
  lua_rawgeti(L, LUA_REGISTRYINDEX, g->ref);
  lua_getfenv(L, -1);
  release(L, g);
  if (g->results < 0) return 1; /* the table itself */
  luaL_checkstack(L, g->results, "too many results");
  int table = lua_gettop(L);
  for (int i = 1; i <= g->results; i++) lua_rawgeti(L, table, i);
  return g->results;
}

static void end_group(group *g, int results) {
  g->woken = true;
  g->results = results;
  cancel_rest(g);
  cpx_task_wake(g->parent, push_outcome, g);
}

/* Whether the results on L mean success: a failure raised, or is nil with a message. */
static bool succeeded(lua_State *L, bool ok) {
  return ok && !(lua_gettop(L) >= 2 && lua_isnil(L, 1) && !lua_isnil(L, 2));
}

/* The results 1..n of L become the outcome: the table's only content. */
static int keep_results(lua_State *L, group *g, bool ok) {
  int n = lua_gettop(L);
  luaL_checkstack(L, 4, "too many results");
  if (!ok) {
    lua_pushnil(L);
    lua_insert(L, 1);
    lua_settop(L, 2);
    lua_pushliteral(L, "task");
    n = 3;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, g->ref);
  lua_createtable(L, n, 0);
  for (int i = 1; i <= n; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  lua_setfenv(L, -2);
  return n;
}

static void keep_one(lua_State *L, group *g, int index) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, g->ref);
  lua_getfenv(L, -1);
  if (lua_isnil(L, 1) || lua_gettop(L) == 2)
    lua_pushboolean(L, true);
  else
    lua_pushvalue(L, 1);
  lua_rawseti(L, -2, index);
}

static void child_done(void *user, bool ok, lua_State *L) {
  member *m = user;
  group *g = m->group;
  m->task = NULL;
  g->left--;
  if (g->woken) return;
  bool good = succeeded(L, ok);
  if (good == g->any || (g->any && g->left == 0)) {
    end_group(g, keep_results(L, g, ok));
  } else if (!g->any) {
    keep_one(L, g, m->index);
    if (g->left == 0) end_group(g, -1);
  }
}

static int run_group(lua_State *L, bool any, const char *what) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_objlen(L, 1);
  luaL_argcheck(L, n <= GROUP_MAX, 1, "at most 256 functions");
  luaL_argcheck(L, n > 0 || !any, 1, "at least one function");
  cpx_task *parent = cpx_task_check(L, what);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    if (!lua_isfunction(L, -1)) return luaL_error(L, "%s: element %d is not a function", what, i);
    lua_pop(L, 1);
  }
  if (n == 0) {
    lua_createtable(L, 0, 0);
    return 1;
  }
  group *g = lua_newuserdata(L, sizeof *g + (size_t)n * sizeof(member));
  *g = (group){.L = cpx_vm_state(cpx_vm_of(L)), .parent = parent, .any = any, .left = n, .total = n, .ref = LUA_NOREF};
  for (int i = 0; i < n; i++) g->members[i] = (member){g, NULL, i + 1};
  lua_createtable(L, any ? 0 : n, 0);
  lua_setfenv(L, -2);
  g->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    int err = cpx_task_start(L, 0, child_done, &g->members[i - 1], &g->members[i - 1].task);
    if (!err) continue;
    g->woken = true;
    cancel_rest(g);
    release(L, g);
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", what, err == CPX_EFULL ? "too many tasks are running" : cpx_error_text(err));
    lua_pushstring(L, cpx_error_name(err));
    return 3;
  }
  return cpx_task_wait(L, cancel_group, g);
}

static int task_all(lua_State *L) {
  return run_group(L, false, "task.all");
}

static int task_any(lua_State *L) {
  return run_group(L, true, "task.any");
}

/* -- spawn: a task of its own ----------------------------------------------------------------------------------- */

#define HANDLE "cliproxy.Task"

/* Owned by Lua's handle and by the running task, whichever lives longer. */
typedef struct spawned {
  cpx_task *task; /* NULL once ended */
  int refs;
} spawned;

typedef struct handle {
  spawned *spawned;
} handle;

static void unref(spawned *s) {
  if (--s->refs == 0) free(s);
}

static void spawned_done(void *user, bool ok, lua_State *L) {
  spawned *s = user;
  bool cancelled = s->task == NULL;
  s->task = NULL;
  unref(s);
  const char *text = ok || cancelled ? NULL : lua_tostring(L, -1);
  bool at_the_end = text && strcmp(text, "cancelled") == 0; /* with everything else */
  if (text && !at_the_end) cpx_log(CPX_LOG_ERROR, "task.spawn: %s", text);
}

static int task_spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  int nargs = lua_gettop(L) - 1;
  handle *h = lua_newuserdata(L, sizeof *h);
  h->spawned = NULL;
  luaL_getmetatable(L, HANDLE);
  lua_setmetatable(L, -2);
  lua_insert(L, 1);
  spawned *s = calloc(1, sizeof *s);
  if (!s) return luaL_error(L, "task.spawn: out of memory");
  h->spawned = s;
  s->refs = 1;
  int err = cpx_task_start(L, nargs, spawned_done, s, &s->task);
  if (err)
    return luaL_error(L, "task.spawn: %s", err == CPX_EFULL ? "too many tasks are running" : cpx_error_text(err));
  s->refs = 2;
  return 1;
}

static int handle_cancel(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, HANDLE);
  cpx_task *task = h->spawned->task;
  bool itself = task && task == cpx_task_current(L);
  if (itself) return luaL_error(L, "a task cannot cancel itself: return instead");
  lua_pushboolean(L, task != NULL);
  h->spawned->task = NULL;
  if (task) cpx_task_cancel(task);
  return 1;
}

static int handle_gc(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, HANDLE);
  if (h->spawned) unref(h->spawned);
  h->spawned = NULL;
  return 0;
}

int cpx_open_task(lua_State *L) {
  static const luaL_Reg functions[] = {{"all", task_all}, {"any", task_any}, {"spawn", task_spawn}, {NULL, NULL}};
  if (luaL_newmetatable(L, HANDLE)) {
    lua_pushcfunction(L, handle_gc);
    lua_setfield(L, -2, "__gc");
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, handle_cancel);
    lua_setfield(L, -2, "cancel");
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
