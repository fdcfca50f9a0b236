/* Other programs for cliproxy.system: run one, give it input, collect its output, wait for its end; or become one. */
#include "lua/api_system.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX   64
#define OUTPUT_MAX (8 * CPX_MB)

/* One child. Lives until its process handle and all pipes are closed and the task took the result (or was cancelled).
 */
struct child {
  uv_process_t process;
  uv_pipe_t in, out, err;
  cpx_buf output, errors;
  uv_write_t write;
  cpx_timer timer;
  cpx_task *task; /* NULL once woken or cancelled */
  char *input;
  int64_t code;
  int signal;
  int open; /* handles not yet closed */
  bool exited, timed_out, overflowed, pushed;
};

static void release(struct child *c) {
  if (c->open > 0 || !c->pushed) return;
  cpx_timer_stop(&c->timer);
  cpx_buf_deinit(&c->output);
  cpx_buf_deinit(&c->errors);
  free(c->input);
  free(c);
}

static void on_closed(uv_handle_t *handle) {
  struct child *c = handle->data;
  c->open--;
  release(c);
}

static void close_handle(void *handle) {
  if (!uv_is_closing(handle)) uv_close(handle, on_closed);
}

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

static int push_result(lua_State *L, void *ud) {
  struct child *c = ud;
  int results = 1;
  if (c->timed_out || c->overflowed) {
    lua_pushnil(L);
    lua_pushstring(L, c->timed_out ? "the program did not end in time and was killed"
                                   : "the program's output is too large");
    results = 2;
  } else {
    lua_createtable(L, 0, 4);
    set_number(L, "code", (double)c->code);
    set_number(L, "signal", c->signal);
    lua_pushlstring(L, c->output.data ? c->output.data : "", c->output.len);
    lua_setfield(L, -2, "output");
    lua_pushlstring(L, c->errors.data ? c->errors.data : "", c->errors.len);
    lua_setfield(L, -2, "errors");
  }
  c->pushed = true;
  release(c);
  return results;
}

/* The result is whole once the process is gone and both pipes have ended. */
static void maybe_finish(struct child *c) {
  if (!c->task || !c->exited || !uv_is_closing((uv_handle_t *)&c->out) || !uv_is_closing((uv_handle_t *)&c->err))
    return;
  cpx_task *task = c->task;
  c->task = NULL;
  cpx_timer_stop(&c->timer);
  cpx_task_wake(task, push_result, c);
}

static void kill_child(struct child *c) {
  if (!c->exited) uv_process_kill(&c->process, SIGKILL);
  close_handle(&c->in);
  close_handle(&c->out);
  close_handle(&c->err);
}

static void on_exit_(uv_process_t *process, int64_t code, int sig) {
  struct child *c = process->data;
  c->exited = true;
  c->code = code;
  c->signal = sig;
  close_handle(process);
  close_handle(&c->in);
  maybe_finish(c);
}

static void on_timer(cpx_timer *timer) {
  struct child *c = CPX_CONTAINER(timer, struct child, timer);
  c->timed_out = true;
  kill_child(c);
  maybe_finish(c);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  static char shared[64 * 1024];
  (void)handle, (void)size;
  *buf = uv_buf_init(shared, sizeof shared);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct child *c = stream->data;
  if (n > 0) {
    cpx_buf *to = stream == (uv_stream_t *)&c->out ? &c->output : &c->errors;
    if (cpx_buf_add(to, buf->base, (size_t)n)) {
      c->overflowed = true;
      kill_child(c);
    }
  } else if (n < 0) {
    close_handle(stream);
  }
  maybe_finish(c);
}

static void on_written(uv_write_t *write, int status) {
  (void)status; /* a child that reads nothing is its own business */
  struct child *c = write->data;
  close_handle(&c->in);
}

static void cancel(void *ud) {
  struct child *c = ud;
  c->task = NULL;
  c->pushed = true;
  cpx_timer_stop(&c->timer);
  kill_child(c);
  release(c);
}

static void open_pipe(struct child *c, uv_loop_t *loop, uv_pipe_t *pipe) {
  uv_pipe_init(loop, pipe, 0);
  pipe->data = c;
  c->open++;
}

/* uv's error, or 0 with the child running. Its handles need closing either way. */
static int spawn(struct child *c, uv_loop_t *loop, char **args, char **env) {
  open_pipe(c, loop, &c->in);
  open_pipe(c, loop, &c->out);
  open_pipe(c, loop, &c->err);
  uv_stdio_container_t stdio[3] = {
      {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&c->in},
      {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&c->out},
      {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&c->err},
  };
  uv_process_options_t options = {
      .file = args[0], .args = args, .env = env, .stdio = stdio, .stdio_count = 3, .exit_cb = on_exit_};
  c->process.data = c;
  c->open++;
  return uv_spawn(loop, &c->process, &options);
}

/* Pointers into the strings of the array at `index` (anchored there), NULL-terminated. */
static void strings_of(lua_State *L, int index, char **out, size_t max) {
  size_t n = lua_objlen(L, index);
  if (n >= max) luaL_error(L, "too many strings: %d", (int)n);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "string %d expected", (int)i + 1);
    out[i] = (char *)(uintptr_t)lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  out[n] = NULL;
}

static void feed(struct child *c, const char *input, size_t n) {
  uv_read_start((uv_stream_t *)&c->out, on_alloc, on_read);
  uv_read_start((uv_stream_t *)&c->err, on_alloc, on_read);
  c->input = n ? malloc(n) : NULL;
  if (!c->input) {
    close_handle(&c->in);
    return;
  }
  memcpy(c->input, input, n);
  uv_buf_t buf = uv_buf_init(c->input, (unsigned)n);
  c->write.data = c;
  if (uv_write(&c->write, (uv_stream_t *)&c->in, &buf, 1, on_written)) close_handle(&c->in);
}

static int system_run(lua_State *L) {
  cpx_task *task = cpx_task_check(L, "system.run");
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "args");
  lua_getfield(L, 1, "env");
  lua_getfield(L, 1, "input");
  lua_getfield(L, 1, "timeout");
  lua_getfield(L, 1, "max");
  luaL_checktype(L, 2, LUA_TTABLE);
  char *args[ARGS_MAX], *env[1024];
  strings_of(L, 2, args, ARGS_MAX);
  if (!args[0]) return luaL_error(L, "system.run: args[1], the program, is missing");
  if (lua_istable(L, 3)) strings_of(L, 3, env, sizeof env / sizeof *env);
  size_t n = 0;
  const char *input = luaL_optlstring(L, 4, "", &n);
  double timeout = luaL_optnumber(L, 5, 10), max = luaL_optnumber(L, 6, (lua_Number)OUTPUT_MAX);
  struct child *c = calloc(1, sizeof *c);
  if (!c) return luaL_error(L, "out of memory");
  cpx_vm *vm = cpx_vm_of(L);
  cpx_buf_init(&c->output, (size_t)max);
  cpx_buf_init(&c->errors, (size_t)max);
  cpx_timer_init(&c->timer, cpx_vm_loop(vm), on_timer);
  int err = spawn(c, cpx_loop_uv(cpx_vm_loop(vm)), args, lua_istable(L, 3) ? env : NULL);
  if (!err && cpx_timer_start(&c->timer, (uint64_t)(timeout * 1000))) {
    c->exited = false;
    err = UV_ENOMEM;
    uv_process_kill(&c->process, SIGKILL);
  }
  if (err) {
    c->pushed = true;
    close_handle(&c->process);
    close_handle(&c->in);
    close_handle(&c->out);
    close_handle(&c->err);
    lua_pushnil(L);
    lua_pushfstring(L, "cannot start %s: %s", args[0], uv_strerror(err));
    return 2;
  }
  c->task = task;
  feed(c, input, n);
  return cpx_task_wait(L, cancel, c);
}

/* Variables for the program that this process becomes: a string sets one, false removes it. */
static void change_environment(lua_State *L, int index) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "system.exec: names of variables expected");
    const char *name = lua_tostring(L, -2);
    int err = lua_isstring(L, -1) ? setenv(name, lua_tostring(L, -1), 1) : unsetenv(name);
    if (err) luaL_error(L, "system.exec: cannot set %s: %s", name, strerror(errno));
    lua_pop(L, 1);
  }
}

/* Becomes the program: same process, same terminal, so that signals and the exit code are its own. libuv opens all
 * descriptors close-on-exec; handlers of signals do not survive, but what is ignored would (main.c: SIGPIPE). */
static int system_exec(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  char *args[ARGS_MAX * 16];
  strings_of(L, 1, args, sizeof args / sizeof *args);
  if (!args[0]) return luaL_error(L, "system.exec: args[1], the program, is missing");
  if (!lua_isnil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    change_environment(L, 2);
  }
  cpx_log_flush();
  fflush(NULL);
  signal(SIGPIPE, SIG_DFL);
  execvp(args[0], args);
  int error = errno;
  signal(SIGPIPE, SIG_IGN);
  return cpx_system_fail(L, "cannot start", args[0], error);
}

void cpx_system_add_process(lua_State *L) {
  lua_pushcfunction(L, system_run);
  lua_setfield(L, -2, "run");
  lua_pushcfunction(L, system_exec);
  lua_setfield(L, -2, "exec");
}
