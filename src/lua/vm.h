/* vm.h - the Lua side of a worker: one LuaJIT state on one loop, its memory count, and the budget of scripts.
 *
 * The JIT is off. Memory goes through a counting wrapper of LuaJIT's allocator: inside a slice of
 * user code new memory beyond CPX_SLICE_MEM fails with "not enough memory", which the slice's
 * protected call turns into a message with the hook's name.
 *
 * A slice is one entry into user code (file top level, route function, hook, each resume of a waiting hook). A
 * free-running timer on the thread's CPU time ticks every CPX_SLICE_TICK_MS and sets the debug hook once a slice has
 * lasted CPX_SLICE_CPU_MS; the hook raises "providers/x.lua:14: shape(): ran for 50 ms without waiting" in the script.
 * Core code outside slices has no budget.
 */
#ifndef CPX_LUA_VM_H
#define CPX_LUA_VM_H

#include "http/server.h"
#include "net/loop.h"
#include "upstream/upstream.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

typedef struct cpx_vm cpx_vm;
typedef struct cpx_task cpx_task;

typedef struct cpx_vm_options {
  const char *root;   /* the folder that holds lua/ and providers/ */
  bool aggressive_gc; /* a full collection every few steps: finds what is not anchored */
} cpx_vm_options;

/* Opens the libraries, sets package.path to root/lua/?.lua and ?/init.lua (and Debian's path for cjson and argparse),
 * and preloads every binding as `cliproxy.<name>`. */
CPX_MUST_CHECK int cpx_vm_new(cpx_loop *loop, const cpx_vm_options *options, cpx_vm **out);
/* Cancels all tasks, closes the state. */
void cpx_vm_free(cpx_vm *vm);
cpx_vm *cpx_vm_of(lua_State *L);
cpx_loop *cpx_vm_loop(const cpx_vm *vm);
lua_State *cpx_vm_state(const cpx_vm *vm);
const char *cpx_vm_root(const cpx_vm *vm);
/* One upstream pool a worker, made at first use. NULL when out of memory. */
cpx_upstream *cpx_vm_upstream(cpx_vm *vm);
size_t cpx_vm_memory(const cpx_vm *vm);
bool cpx_vm_over_soft_limit(const cpx_vm *vm);
/* Whether the running slice has used up its budget. Loops in C over a script's values ask every CPX_BUDGET_ROUNDS. */
bool cpx_budget_over(lua_State *L);
#define CPX_BUDGET_ROUNDS 4096

/* -- Tasks. A task is a coroutine that the scheduler resumes; it waits on at most one operation. ---------------- */

/* The task that is running on L; NULL outside tasks (main chunk, user coroutines). */
cpx_task *cpx_task_current(lua_State *L);

/* Starts a task: the function and `nargs` arguments are on top of L's stack and are popped. It first runs as a job of
 * this turn. `on_done(user, ok, L)`: results or the error message are on L's stack, from 1 to lua_gettop; may be NULL.
 * `*out` may be NULL; the pointer is valid until on_done returned. */
CPX_MUST_CHECK int cpx_task_start(lua_State *L, int nargs, void (*on_done)(void *user, bool ok, lua_State *L),
                                  void *user, cpx_task **out);
/* Cancels: its wait's cancel hook runs, then the coroutine is abandoned (never
 * resumed); on_done with ok = false, "cancelled". */
void cpx_task_cancel(cpx_task *task);

/* Waiting, the last thing a binding does: `return cpx_task_wait(L, cancel, ud);`. `cancel(ud)` is called when the task
 * is cancelled instead of woken, and must undo what was started; it must not wake. Raises when called outside a task or
 * in a user coroutine. What is on L's stack stays there until the task goes on: arguments and userdata that `ud` points
 * to are safe from the collector. */
int cpx_task_wait(lua_State *L, void (*cancel)(void *ud), void *ud);
/* Check before anything is started: raises as cpx_task_wait would. Returns the task. */
cpx_task *cpx_task_check(lua_State *L, const char *what);
/* Ends the wait: the task is resumed as a job of this turn; `push(L, ud)` puts the results on
 * its stack and returns their number (it may allocate Lua values; it runs protected). push
 * NULL: no results. Waking twice is a bug and asserts. */
void cpx_task_wake(cpx_task *task, int (*push)(lua_State *L, void *ud), void *ud);
size_t cpx_task_count(const cpx_vm *vm);
/* One pointer of the starter's, NULL at first: the exchange binding finds what a request's task has opened by it. */
void cpx_task_set_data(cpx_task *task, void *data);
void *cpx_task_data(const cpx_task *task);

/* -- Registration. Each api_*.c has one; the table it returns is `require "cliproxy.<name>"`. ------------------- */
int cpx_open_budget(lua_State *L);  /* core: slices (_meta/budget.lua) */
int cpx_open_sandbox(lua_State *L); /* core: environments for scripts */
int cpx_open_json(lua_State *L);
int cpx_open_crypto(lua_State *L);
int cpx_open_log(lua_State *L);
int cpx_open_timer(lua_State *L);
int cpx_open_task(lua_State *L);
int cpx_open_state(lua_State *L);
int cpx_open_server(lua_State *L); /* core: listeners, exchanges */
int cpx_open_reply(lua_State *L);  /* core: send, execute, relay */
int cpx_open_floats(lua_State *L); /* core: embeddings' vectors */
int cpx_open_tokens(lua_State *L); /* core: what texts are made of */
int cpx_open_vault(lua_State *L);  /* core: accounts' credentials on disk */
int cpx_open_system(lua_State *L); /* core: files, watching, child processes, signals, clock, terminal */

#endif
