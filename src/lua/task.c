#include "base/log.h"
#include "lua/vm_internal.h"

#include <assert.h>
#include <stdlib.h>

#define AGGRESSIVE_EVERY 8 /* resumes between full collections with aggressive_gc */

static void run_ready(cpx_job *job);

void cpx_tasks_init(cpx_vm *vm) {
  cpx_list_init(&vm->ready);
  cpx_list_init(&vm->batch);
  cpx_list_init(&vm->all);
  cpx_list_init(&vm->pool);
  cpx_job_init(&vm->run_job, run_ready);
}

/* -- Making tasks ----------------------------------------------------------------------------------------------- */

static void drop_task(cpx_task *task) {
  luaL_unref(task->vm->L, LUA_REGISTRYINDEX, task->ref);
  free(task);
}

static int new_thread(lua_State *L) {
  cpx_task *task = lua_touserdata(L, 1);
  task->co = lua_newthread(L);
  task->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* A task with an idle coroutine: a kept one, or a new one made on L's stack. */
static cpx_task *make_task(cpx_vm *vm, lua_State *L) {
  cpx_list *node = cpx_list_shift(&vm->pool);
  if (node) {
    vm->pooled--;
    return CPX_CONTAINER(node, cpx_task, node);
  }
  cpx_task *task = calloc(1, sizeof *task);
  if (!task) return NULL;
  if (lua_cpcall(L, new_thread, task)) {
    lua_pop(L, 1);
    free(task);
    return NULL;
  }
  task->vm = vm;
  cpx_list_init(&task->node);
  cpx_list_init(&task->all);
  return task;
}

static void make_ready(cpx_task *task) {
  task->state = CPX_TASK_READY;
  cpx_list_push(&task->vm->ready, &task->node);
  cpx_loop_defer(task->vm->loop, &task->vm->run_job);
}

int cpx_task_start(lua_State *L, int nargs, void (*on_done)(void *user, bool ok, lua_State *L), void *user,
                   cpx_task **out) {
  cpx_vm *vm = cpx_vm_of(L);
  cpx_task *task = vm->tasks < CPX_TASKS_MAX ? make_task(vm, L) : NULL;
  if (!task || !lua_checkstack(task->co, nargs + 1)) {
    int err = task || vm->tasks < CPX_TASKS_MAX ? CPX_ENOMEM : CPX_EFULL;
    if (task) drop_task(task);
    lua_pop(L, nargs + 1);
    return err;
  }
  lua_xmove(L, task->co, nargs + 1);
  task->nargs = nargs;
  task->on_done = on_done;
  task->user = user;
  task->data = NULL;
  task->push = NULL;
  task->cancelled = task->woken = false;
  task->owners.depth = 0;
  vm->tasks++;
  cpx_list_push(&vm->all, &task->all);
  make_ready(task);
  /* A task started by a script is the script's: it runs on the same owner's budget. Last, for it may raise. */
  if (vm->owners->depth > 0) {
    cpx_owner_get(L, vm, vm->owners);
    cpx_owner_push(L, vm, &task->owners);
  }
  if (out) *out = task;
  return 0;
}

/* -- Ending tasks ----------------------------------------------------------------------------------------------- */

static void log_failure(lua_State *L) {
  const char *text = lua_tostring(L, -1);
  cpx_log(CPX_LOG_ERROR, "a task failed: %s", text ? text : "(an error value that is not a text)");
}

/* The coroutine is kept for another task when it ended by itself and did not grow too deep. */
static void recycle(cpx_task *task) {
  cpx_vm *vm = task->vm;
  if (!task->co || lua_status(task->co) != 0 || vm->pooled >= CPX_POOL_MAX) {
    drop_task(task);
    return;
  }
  lua_settop(task->co, 0);
  cpx_list_push(&vm->pool, &task->node);
  vm->pooled++;
}

/* `L` holds the results, or the message alone. */
static void finish(cpx_task *task, bool ok, lua_State *L) {
  cpx_vm *vm = task->vm;
  task->state = CPX_TASK_DONE;
  cpx_list_remove(&task->node);
  cpx_list_remove(&task->all);
  vm->tasks--;
  while (task->owners.depth > 0) cpx_owner_pop(vm->work, vm, &task->owners);
  cpx_task *outer = vm->finishing;
  vm->finishing = task;
  if (task->on_done)
    task->on_done(task->user, ok, L);
  else if (!ok && !task->cancelled)
    log_failure(L);
  vm->finishing = outer;
  recycle(task);
}

/* A failed coroutine keeps its frames, so its message is shown on a clean stack. Takes the value on top of `from`; the
 * key of a registered string when `from` is NULL. */
static void finish_failed(cpx_task *task, lua_State *from, int over) {
  cpx_vm *vm = task->vm;
  int level = vm->scratch_used < CPX_SCRATCH_MAX ? vm->scratch_used : CPX_SCRATCH_MAX - 1;
  lua_State *L = vm->scratch[level];
  lua_settop(L, 0);
  if (from)
    lua_xmove(from, L, 1);
  else
    lua_getfield(L, LUA_REGISTRYINDEX, "cliproxy.cancelled");
  if (from && task->owners.depth > 0) cpx_owner_message(L, vm, &task->owners, over);
  vm->scratch_used++;
  finish(task, false, L);
  vm->scratch_used--;
}

/* -- Running ---------------------------------------------------------------------------------------------------- */

/* The results of the operation a task waited for go through the scheduler's stack: pushing may raise, and a suspended
 * coroutine cannot catch. */
static int push_results(cpx_task *task, lua_State *work) {
  int (*push)(lua_State *, void *) = task->push;
  if (!push) return task->nargs;
  task->push = NULL;
  int top = lua_gettop(work);
  int n = push(work, task->push_ud);
  if (!lua_checkstack(task->co, n)) luaL_error(work, "not enough memory for %d results", n);
  lua_xmove(work, task->co, n);
  lua_settop(work, top);
  return n;
}

static void after_yield(cpx_task *task) {
  if (task->state != CPX_TASK_WAITING) {
    lua_settop(task->co, 0);
    lua_pushliteral(task->vm->work, "coroutine.yield outside a wait: tasks wait only through cliproxy's functions");
    finish_failed(task, task->vm->work, 0);
  } else if (task->cancelled) {
    task->cancelled = false;
    cpx_task_cancel(task);
  } else if (task->woken) {
    make_ready(task);
  }
}

static void resume(cpx_task *task, lua_State *work) {
  cpx_vm *vm = task->vm;
  int n = push_results(task, work);
  task->nargs = 0;
  task->state = CPX_TASK_RUNNING;
  task->woken = false;
  vm->running = task;
  vm->owners = &task->owners;
  if (task->owners.depth > 0) cpx_slice_begin(vm);
  int status = lua_resume(task->co, n);
  int over = cpx_slice_end(vm);
  vm->owners = &vm->main_owners;
  vm->running = NULL;
  if (status == LUA_YIELD)
    after_yield(task);
  else if (status == 0)
    finish(task, true, task->co);
  else
    finish_failed(task, task->co, over);
}

static int run_batch(lua_State *work) {
  cpx_vm *vm = cpx_vm_of(work);
  cpx_list *node;
  while ((node = cpx_list_shift(&vm->batch))) {
    cpx_task *task = CPX_CONTAINER(node, cpx_task, node);
    vm->running = task;
    if (vm->aggressive && ++vm->resumes % AGGRESSIVE_EVERY == 0) lua_gc(work, LUA_GCCOLLECT, 0);
    resume(task, work);
  }
  return 0;
}

/* Something raised outside the coroutines: the push of results (its task fails with that message) or an on_done. */
static void recover(cpx_vm *vm) {
  cpx_task *task = vm->finishing ? vm->finishing : vm->running;
  bool finishing = vm->finishing != NULL;
  vm->finishing = vm->running = NULL;
  vm->scratch_used = 0;
  vm->owners = &vm->main_owners;
  (void)cpx_slice_end(vm);
  if (finishing || !task) {
    log_failure(vm->work);
    if (finishing) recycle(task);
  } else {
    finish_failed(task, vm->work, 0);
  }
  lua_settop(vm->work, 0);
}

static void run_ready(cpx_job *job) {
  cpx_vm *vm = CPX_CONTAINER(job, cpx_vm, run_job);
  assert(!vm->in_batch && "the loop was turned from inside a task");
  if (vm->in_batch) return;
  vm->in_batch = true;
  cpx_list_move(&vm->batch, &vm->ready);
  while (!cpx_list_empty(&vm->batch))
    if (lua_cpcall(vm->work, run_batch, NULL)) recover(vm);
  vm->in_batch = false;
  if (cpx_vm_over_soft_limit(vm) && !vm->gc_cycles) cpx_gc_start(vm);
}

/* -- Waiting ---------------------------------------------------------------------------------------------------- */

cpx_task *cpx_task_current(lua_State *L) {
  cpx_task *task = cpx_vm_of(L)->running;
  return task && task->co == L ? task : NULL;
}

cpx_task *cpx_task_check(lua_State *L, const char *what) {
  cpx_vm *vm = cpx_vm_of(L);
  cpx_task *task = cpx_task_current(L);
  if (!task && vm->running) luaL_error(L, "%s waits, which a coroutine of your own cannot: call it outside", what);
  if (!task) luaL_error(L, "%s waits, which only a task can: call it from a hook that may wait", what);
  if (!lua_isyieldable(L))
    luaL_error(L, "%s waits, which is not possible here: inside a callback of sort or gsub, or while a file loads",
               what);
  return task;
}

int cpx_task_wait(lua_State *L, void (*cancel)(void *ud), void *ud) {
  cpx_task *task = cpx_task_check(L, "this call");
  task->state = CPX_TASK_WAITING;
  task->cancel = cancel;
  task->cancel_ud = ud;
  return lua_yield(L, lua_gettop(L)); /* what the function has on its stack stays there, and alive */
}

void cpx_task_wake(cpx_task *task, int (*push)(lua_State *L, void *ud), void *ud) {
  assert((task->state == CPX_TASK_WAITING || task->state == CPX_TASK_RUNNING) && !task->woken && "woken twice");
  if (task->woken) return;
  bool waits = task->state == CPX_TASK_WAITING && task->vm->running != task;
  task->push = push;
  task->push_ud = ud;
  task->cancel = NULL;
  task->woken = true; /* while it still runs (a call that ends at once): made ready when it yields */
  if (waits) make_ready(task);
}

static int discard_results(lua_State *work) {
  cpx_task *task = lua_touserdata(work, 1);
  (void)task->push(work, task->push_ud);
  return 0;
}

void cpx_task_cancel(cpx_task *task) {
  cpx_vm *vm = task->vm; /* NOLINT(clang-analyzer-unix.Malloc): it does not see that a freed task left the list */
  if (task->state == CPX_TASK_DONE) return;
  if (vm->running == task) {
    task->cancelled = true; /* takes effect when it next waits */
    return;
  }
  if (task->cancelled) return; /* by its own cancel hook */
  task->cancelled = true;
  if (task->push && lua_cpcall(vm->work, discard_results, task)) lua_pop(vm->work, 1); /* frees what they hold */
  task->push = NULL;
  void (*cancel)(void *) = task->state == CPX_TASK_WAITING ? task->cancel : NULL;
  task->cancel = NULL;
  if (cancel) cancel(task->cancel_ud);
  if (lua_status(task->co) == 0) lua_settop(task->co, 0); /* not begun: its coroutine is as new */
  finish_failed(task, NULL, 0);
}

size_t cpx_task_count(const cpx_vm *vm) {
  return vm->tasks;
}

void cpx_task_set_data(cpx_task *task, void *data) {
  task->data = data;
}

void *cpx_task_data(const cpx_task *task) {
  return task->data;
}

void cpx_tasks_deinit(cpx_vm *vm) {
  while (!cpx_list_empty(&vm->all)) cpx_task_cancel(CPX_CONTAINER(vm->all.next, cpx_task, all));
  for (cpx_list *node = vm->pool.next, *next; node != &vm->pool; node = next) {
    next = node->next;
    drop_task(CPX_CONTAINER(node, cpx_task, node));
  }
  cpx_list_init(&vm->pool);
  cpx_job_cancel(&vm->run_job);
}
