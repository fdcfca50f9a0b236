/* A script's own transport: execute(call, reply) runs in a task of its own and is a cpx_source like any other. */
#include "lua/reply_lua.h"

#include "base/limits.h"
#include "lua/headers_lua.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The source. Its holders: the reply (until it frees the source), the script's task, and the writer's functions. */
struct pipe {
  cpx_source source;
  cpx_lua_reply *lr;  /* for the kind of a failure; NULL once the source is freed */
  cpx_task *producer; /* the script's task; NULL once it has ended */
  cpx_task *writer;   /* waits in writer.write, or NULL */
  int refs;
  bool paused, head, ended, cancelled, budgeted;
};

static void unref(struct pipe *p) {
  if (--p->refs == 0) free(p);
}

static void end(struct pipe *p, int err, const char *text) {
  if (p->ended) return;
  p->ended = true;
  cpx_end how = {err, text, true};
  if (!p->cancelled && p->source.sink) p->source.sink->on_end(p->source.user, &how);
}

/* -- The writer's functions; upvalue 1 is the pipe -------------------------------------------------------------- */

static struct pipe *pipe_of(lua_State *L, bool needs_head) {
  struct pipe **box = lua_touserdata(L, lua_upvalueindex(1));
  struct pipe *p = *box;
  if (p->cancelled || !p->source.sink) luaL_error(L, "cancelled");
  if (p->ended) luaL_error(L, "reply: already finished");
  if (needs_head && !p->head) luaL_error(L, "reply: call reply.head(status, headers) first");
  return p;
}

/* Sinks look names up in lower case. The copies live on the stack. */
static void lower_names(lua_State *L, cpx_header *headers, size_t count) {
  size_t bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += headers[i].name.n;
  char *to = lua_newuserdata(L, bytes + 1);
  for (size_t i = 0; i < count; i++) {
    cpx_slice name = headers[i].name;
    for (size_t j = 0; j < name.n; j++) to[j] = (char)tolower((unsigned char)name.p[j]);
    headers[i].name.p = to;
    to += name.n;
  }
}

static int writer_head(lua_State *L) {
  struct pipe *p = pipe_of(L, false);
  int status = (int)luaL_checkinteger(L, 1);
  if (p->head) return luaL_error(L, "reply.head: the head was already given");
  if (status < 200 || status > 599) return luaL_error(L, "reply.head: status 200 to 599 expected, got %d", status);
  cpx_header headers[CPX_LUA_HEADERS_MAX];
  size_t count = cpx_lua_headers(L, 2, headers);
  lower_names(L, headers, count);
  cpx_head head = {.status = status, .headers = headers, .count = count, .length = -1};
  p->head = true;
  p->source.sink->on_head(p->source.user, &head);
  return 0;
}

static void cancel_write(void *ud) {
  ((struct pipe *)ud)->writer = NULL;
}

static int writer_write(lua_State *L) {
  struct pipe *p = pipe_of(L, true);
  size_t n;
  const char *bytes = luaL_checklstring(L, 1, &n);
  if (n == 0) return 0;
  p->source.sink->on_data(p->source.user, bytes, n);
  if (p->cancelled) return luaL_error(L, "cancelled"); /* in vain: the sink gave up on this piece */
  if (!p->paused || p->ended) return 0;
  cpx_task *task = cpx_task_check(L, "reply.write");
  if (p->writer) return luaL_error(L, "reply.write: another task is writing");
  p->writer = task;
  return cpx_task_wait(L, cancel_write, p);
}

static int writer_finish(lua_State *L) {
  end(pipe_of(L, true), 0, "finished");
  return 0;
}

static int code_of_kind(const char *kind) {
  if (strcmp(kind, "timeout") == 0) return CPX_ETIMEOUT;
  return CPX_EIO;
}

static void keep_kind(struct pipe *p, const char *kind) {
  if (!p->lr) return;
  free(p->lr->kind);
  p->lr->kind = strdup(kind);
}

static int writer_fail(lua_State *L) {
  struct pipe *p = pipe_of(L, false);
  const char *kind = luaL_checkstring(L, 1), *message = luaL_checkstring(L, 2);
  keep_kind(p, kind);
  end(p, code_of_kind(kind), message);
  return 0;
}

static int box_gc(lua_State *L) {
  struct pipe **box = lua_touserdata(L, 1);
  if (*box) unref(*box);
  return 0;
}

/* The box is on top, the table below. Leaves the table. */
static void set_functions(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"head", writer_head}, {"write", writer_write}, {"finish", writer_finish}, {"fail", writer_fail}, {NULL, NULL}};
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, f->func, 1);
    lua_setfield(L, -3, f->name);
  }
  lua_pop(L, 1);
}

/* -- The source ------------------------------------------------------------------------------------------------- */

/* With a budget the results are ok, message…; a failure of the task itself is message alone. */
static const char *failure(const struct pipe *p, bool ok, lua_State *L) {
  const char *message = NULL;
  if (!ok)
    message = lua_tostring(L, 1);
  else if (p->budgeted && !lua_toboolean(L, 1))
    message = lua_tostring(L, 2);
  else
    return NULL;
  return message ? message : "execute() failed without a message";
}

static void producer_done(void *user, bool ok, lua_State *L) {
  struct pipe *p = user;
  p->producer = NULL;
  const char *message = failure(p, ok, L);
  if (message) {
    if (!p->ended && !p->cancelled && p->lr) p->lr->script_failed = true;
    end(p, CPX_EIO, message);
  } else {
    end(p, CPX_EEOF, "execute() returned without reply.finish()");
  }
  unref(p);
}

/* The script's task was made before, and runs when all is set. */
static void pipe_start(cpx_source *s) {
  (void)s;
}

static void pipe_pause(cpx_source *s) {
  CPX_CONTAINER(s, struct pipe, source)->paused = true;
}

static void pipe_resume(cpx_source *s) {
  struct pipe *p = CPX_CONTAINER(s, struct pipe, source);
  p->paused = false;
  if (!p->writer) return;
  cpx_task *task = p->writer;
  p->writer = NULL;
  cpx_task_wake(task, NULL, NULL);
}

static void pipe_cancel(cpx_source *s) {
  struct pipe *p = CPX_CONTAINER(s, struct pipe, source);
  if (p->cancelled) return;
  p->cancelled = true;
  if (p->producer) cpx_task_cancel(p->producer);
  if (!p->writer) return;
  cpx_task *task = p->writer; /* of the script's own making: its next write raises */
  p->writer = NULL;
  cpx_task_wake(task, NULL, NULL);
}

static void pipe_free(cpx_source *s) {
  struct pipe *p = CPX_CONTAINER(s, struct pipe, source);
  pipe_cancel(s);
  p->lr = NULL;
  unref(p);
}

static const cpx_source_ops pipe_ops = {pipe_start, pipe_pause, pipe_resume, pipe_cancel, pipe_free, NULL};

/* -- reply.execute(spec, fn, owner) ----------------------------------------------------------------------------- */

/* A pipe that only the writer's box holds, whose table is left on the stack. */
static struct pipe *push_pipe(lua_State *L) {
  lua_createtable(L, 0, 4);
  struct pipe **box = lua_newuserdata(L, sizeof(struct pipe *));
  *box = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, box_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  struct pipe *p = *box = calloc(1, sizeof *p);
  if (!p) {
    luaL_error(L, "reply.execute: out of memory");
    return NULL;
  }
  p->refs = 1;
  p->source.ops = &pipe_ops;
  set_functions(L);
  return p;
}

/* On the stack: budget.call, owner, fn, writer with an owner, else fn, writer. Starts the task with them. */
static int start_producer(lua_State *L, struct pipe *p) {
  int writer = lua_gettop(L), nargs = 1;
  if (!lua_isnoneornil(L, 3)) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "cliproxy.budget");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "call");
    lua_remove(L, -2);
    lua_pushvalue(L, 3);
    p->budgeted = true;
    nargs = 3;
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, writer);
  p->refs++;
  int err = cpx_task_start(L, nargs, producer_done, p, &p->producer);
  if (err) p->refs--;
  return err;
}

int cpx_lua_execute(lua_State *L) {
  cpx_task_check(L, "reply.execute");
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 3);
  cpx_reply_options options = {0};
  cpx_lua_reply_options(L, 1, "reply.execute", &options);
  cpx_lua_reply *lr = cpx_lua_reply_push(L);
  struct pipe *p = push_pipe(L);
  int err = start_producer(L, p);
  if (err) {
    cpx_lua_reply_close(lr);
    return cpx_lua_reply_fail(L, err, NULL);
  }
  lua_settop(L, 4); /* the reply */
  p->refs++;        /* the reply's */
  p->lr = lr;
  return cpx_lua_reply_start(L, lr, &p->source, &options);
}
