/* vm_internal.h - what the files of the VM share: the state itself, tasks, and the meter of slices. Only vm*.c, task.c,
 * alloc.c, budget*.c and sandbox*.c include it.
 *
 * Stacks: `L` is the main state, `work` the scheduler's (its C frame is the batch that resumes tasks), `scratch`
 * short-lived threads that show a failure's message to on_done. All are anchored in the registry.
 */
#ifndef CPX_LUA_VM_INTERNAL_H
#define CPX_LUA_VM_INTERNAL_H

#include "base/limits.h"
#include "lua/vm.h"

#include <stdint.h>
#include <time.h>

#define CPX_OWNERS_MAX  16  /* slices inside slices of one task */
#define CPX_SCRATCH_MAX 8   /* on_done callbacks that cancel tasks whose on_done … */
#define CPX_POOL_MAX    256 /* finished coroutines kept for the next tasks, about 1 KB each */

/* The owners of the slices that a task (or the main chunk) is in: indexes of the registry's table of owners. */
typedef struct cpx_owners {
  int depth;
  int slot[CPX_OWNERS_MAX];
} cpx_owners;

enum { CPX_OVER_CPU = 1, CPX_OVER_MEM = 2 };

/* The meter of the running slice. The signal handler reads `serial` and writes the fields marked (s). */
typedef struct cpx_meter {
  volatile uint32_t serial; /* of the running slice; 0: none */
  volatile uint32_t seen;   /* (s) the serial that `ticks` belongs to */
  volatile uint32_t ticks;  /* (s) */
  volatile int over;        /* (s) CPX_OVER_*: what the running slice used up */
  volatile int hooked;      /* (s) the debug hook is set */
  uint32_t last;            /* the serial given out last */
  size_t limit;             /* of cpx_vm.bytes; SIZE_MAX outside slices */
  uint64_t slices, overruns;
  char where[96];    /* the line that asked for too much at once: "providers/x.lua:14"; "" unknown */
  char message[320]; /* of the slice that was over, for the slices around it */
  timer_t timer;
  bool ticking;
} cpx_meter;

struct cpx_vm {
  lua_State *L, *work;
  lua_State *scratch[CPX_SCRATCH_MAX];
  int scratch_used;
  cpx_loop *loop;
  cpx_upstream *upstream;
  char *root;
  bool aggressive;

  lua_Alloc alloc; /* LuaJIT's own */
  void *alloc_ud;
  size_t bytes;
  cpx_job gc_job;
  int gc_cycles; /* still to be done by gc_job */

  cpx_list ready, batch, all, pool;
  size_t tasks, pooled;
  cpx_job run_job;
  cpx_task *running;   /* resumed now */
  cpx_task *finishing; /* its on_done runs now */
  bool in_batch;
  unsigned resumes;

  cpx_owners main_owners;
  cpx_owners *owners; /* of what runs now */
  cpx_meter meter;
  int owners_ref;          /* registry: array of owner tables */
  int slot_free, slot_top; /* of that array: the first free slot, the highest ever used */
  char *stack_base;        /* an address near the bottom of the C stack */
};

enum cpx_task_state { CPX_TASK_READY, CPX_TASK_RUNNING, CPX_TASK_WAITING, CPX_TASK_DONE };

struct cpx_task {
  cpx_list node; /* in ready, batch or pool */
  cpx_list all;
  cpx_vm *vm;
  lua_State *co;
  int ref; /* anchors co */
  int nargs;
  enum cpx_task_state state;
  bool woken, cancelled;
  void (*cancel)(void *ud);
  void *cancel_ud;
  int (*push)(lua_State *L, void *ud);
  void *push_ud;
  void (*on_done)(void *user, bool ok, lua_State *L);
  void *user;
  void *data;
  cpx_owners owners;
};

/* alloc.c */
CPX_MUST_CHECK int cpx_alloc_open(cpx_vm *vm);
void cpx_alloc_close(cpx_vm *vm);
/* Two garbage collections, 1 ms of each loop turn. */
void cpx_gc_start(cpx_vm *vm);

/* task.c */
void cpx_tasks_init(cpx_vm *vm);
void cpx_tasks_deinit(cpx_vm *vm);

/* budget.c: slices. Begin and end are called by the scheduler around a resume and by budget.call. */
CPX_MUST_CHECK int cpx_meter_open(cpx_vm *vm);
void cpx_meter_close(cpx_vm *vm);
void cpx_slice_begin(cpx_vm *vm);
/* Returns what the slice used up: 0 or CPX_OVER_*. */
int cpx_slice_end(cpx_vm *vm);
/* budget_owner.c. Push takes the owner table on top of L's stack; it may raise. */
void cpx_owner_push(lua_State *L, cpx_vm *vm, cpx_owners *owners);
void cpx_owner_pop(lua_State *L, cpx_vm *vm, cpx_owners *owners);
/* Pushes the innermost owner, or nil. */
void cpx_owner_get(lua_State *L, cpx_vm *vm, const cpx_owners *owners);
/* Replaces the error value on top of L's stack by a message that names file, line and owner. `over`: CPX_OVER_*. */
void cpx_owner_message(lua_State *L, cpx_vm *vm, const cpx_owners *owners, int over);
/* "file:line" of the innermost script function of the slice on L; "" if there is none. Does not allocate. */
void cpx_script_where(const cpx_vm *vm, lua_State *L, char *out, size_t n);
/* Called by the allocator when a slice would outgrow its limit: whether to refuse `more` bytes. */
bool cpx_meter_refuse(cpx_vm *vm, size_t more);

/* Raises when a bounded C function runs while its slice is over, or when C calls nest too deeply for the C stack. */
void cpx_check_running(lua_State *L);
/* The same test, alone: true when the slice is over. */
bool cpx_slice_is_over(const cpx_vm *vm);

/* sandbox_*.c: replaces the unbounded functions of the state's string metatable. */
void cpx_sandbox_install(lua_State *L);

#endif
