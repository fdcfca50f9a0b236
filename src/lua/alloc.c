#include "lua/vm_internal.h"
#include "json/json.h"

#include <stdlib.h>

#define GC_STEP_NS 1000000UL
/* Measured with a heap of 1.5 MB: a pause of 150 % costs a small request up to 10 µs more than one of 400 %, which
 * takes 4 MB more at its peak and lets memory creep up over a thousand reloads under load; 200 % costs no more than 400
 * % and stays level. Steps stay below 100 µs. */
#define GC_PAUSE   200
#define GC_STEPMUL 300

static void *counting(void *ud, void *ptr, size_t osize, size_t nsize) {
  cpx_vm *vm = ud;
  if (nsize > osize && vm->bytes + (nsize - osize) > vm->meter.limit && cpx_meter_refuse(vm, nsize - osize))
    return NULL;
  void *p = vm->alloc(vm->alloc_ud, ptr, osize, nsize);
  if (p || nsize == 0) vm->bytes += nsize - osize;
  return p;
}

/* The guard is the first userdata of the state, so its finalizer runs last: LuaJIT frees its arena as a whole only when
 * it finds its own allocator in place. */
static int restore_allocator(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  lua_setallocf(L, vm->alloc, vm->alloc_ud);
  return 0;
}

static int add_guard(lua_State *L) {
  lua_newuserdata(L, 1);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, restore_allocator);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, "cliproxy.allocator");
  return 0;
}

#ifdef CPX_SANITIZE
/* The sanitizer sees each block only when it comes from malloc. */
static void *plain(void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize) return realloc(ptr, nsize);
  free(ptr);
  return NULL;
}

static lua_State *open_state(void) {
  return lua_newstate(plain, NULL);
}
#else
static lua_State *open_state(void) {
  return luaL_newstate();
}
#endif

static void collect_some(cpx_job *job);

int cpx_alloc_open(cpx_vm *vm) {
  vm->meter.limit = SIZE_MAX;
  vm->L = open_state();
  if (!vm->L) return CPX_ENOMEM;
  vm->alloc = lua_getallocf(vm->L, &vm->alloc_ud);
  vm->bytes = (size_t)lua_gc(vm->L, LUA_GCCOUNT, 0) * CPX_KB + (size_t)lua_gc(vm->L, LUA_GCCOUNTB, 0);
  lua_setallocf(vm->L, counting, vm);
  lua_gc(vm->L, LUA_GCSETPAUSE, GC_PAUSE);
  lua_gc(vm->L, LUA_GCSETSTEPMUL, GC_STEPMUL);
  cpx_job_init(&vm->gc_job, collect_some);
  return lua_cpcall(vm->L, add_guard, NULL) ? CPX_ENOMEM : 0;
}

void cpx_alloc_close(cpx_vm *vm) {
  cpx_job_cancel(&vm->gc_job);
  if (vm->L) lua_close(vm->L);
  vm->L = NULL;
}

static int step(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  uint64_t start = cpx_now_ns();
  while (vm->gc_cycles > 0) {
    if (lua_gc(L, LUA_GCSTEP, 0)) vm->gc_cycles--;
    if (cpx_now_ns() - start > GC_STEP_NS) break;
  }
  return 0;
}

static void collect_some(cpx_job *job) {
  cpx_vm *vm = CPX_CONTAINER(job, cpx_vm, gc_job);
  if (lua_cpcall(vm->work, step, NULL)) lua_settop(vm->work, 0); /* a finalizer raised; the next step goes on */
  if (vm->gc_cycles > 0) cpx_loop_defer_next(vm->loop, &vm->gc_job);
}

void cpx_gc_start(cpx_vm *vm) {
  vm->gc_cycles = 2; /* the one under way may have passed what just became garbage */
  cpx_loop_defer_next(vm->loop, &vm->gc_job);
}

size_t cpx_vm_memory(const cpx_vm *vm) {
  return vm->bytes;
}

bool cpx_vm_over_soft_limit(const cpx_vm *vm) {
  return vm->bytes + cpx_json_memory_all() > CPX_VM_SOFT_MEM; /* documents are held by small userdata */
}
