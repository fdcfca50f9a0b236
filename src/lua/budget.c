/* The meter of slices: a free-running timer on the thread's CPU time, the debug hook it sets, and the memory limit. */
#include "base/log.h"
#include "lua/vm_internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TICK_SIGNAL SIGVTALRM
/* The first tick of a slice comes at any time within its first period, so one
 * more than the quotient has passed the limit. */
#define TICKS_MAX (CPX_SLICE_CPU_MS / CPX_SLICE_TICK_MS + 1)
/* Small blocks may pass the limit by this much, so that it is the hook, which knows the line, that ends the slice, and
 * no allocation deep inside the VM. */
#define MEM_GRACE (16 * CPX_MB)
#define MEM_SMALL (256 * CPX_KB)
/* Of 8 MB, for callbacks of gsub, sort and format that call them again: some 200 deep. An error takes long to find its
 * way out of more. */
#define C_STACK_MAX (512 * CPX_KB)

static void on_hook(lua_State *L, lua_Debug *ar);

static void set_hook(cpx_vm *vm) {
  vm->meter.hooked = 1;
  lua_sethook(vm->L, on_hook, LUA_MASKCOUNT, 1);
}

/* Setting a hook is what LuaJIT allows a signal handler to do. Removing it is left to code outside the handler, which
 * first clears `serial`: from then on no tick sets it again. */
static void on_tick(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)context;
  if (info->si_code != SI_TIMER) return;
  cpx_vm *vm = info->si_value.sival_ptr;
  cpx_meter *m = &vm->meter;
  uint32_t serial = m->serial;
  if (!serial) return;
  if (m->seen != serial) {
    m->seen = serial;
    m->ticks = 0;
  }
  if (++m->ticks < TICKS_MAX) return;
  m->over |= CPX_OVER_CPU;
  set_hook(vm);
}

void cpx_slice_begin(cpx_vm *vm) {
  cpx_meter *m = &vm->meter;
  m->over = 0;
  m->where[0] = m->message[0] = '\0';
  m->limit = vm->bytes + CPX_SLICE_MEM;
  m->slices++;
  if (++m->last == 0) m->last = 1;
  m->serial = m->last;
}

int cpx_slice_end(cpx_vm *vm) {
  cpx_meter *m = &vm->meter;
  if (!m->serial) return 0;
  m->serial = 0;
  m->limit = SIZE_MAX;
  if (m->hooked) {
    m->hooked = 0;
    lua_sethook(vm->L, NULL, 0, 0);
  }
  int over = m->over;
  m->over = 0;
  if (over) m->overruns++;
  if (over & CPX_OVER_MEM) cpx_gc_start(vm);
  return over;
}

bool cpx_slice_is_over(const cpx_vm *vm) {
  return vm->meter.serial && vm->meter.over;
}

bool cpx_budget_over(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  if (!cpx_slice_is_over(vm)) return false;
  if (!vm->meter.where[0]) cpx_script_where(vm, L, vm->meter.where, sizeof vm->meter.where);
  return true;
}

bool cpx_meter_refuse(cpx_vm *vm, size_t more) {
  cpx_meter *m = &vm->meter;
  if (!(m->over & CPX_OVER_MEM)) {
    m->over |= CPX_OVER_MEM;
    set_hook(vm);
  }
  bool refuse = more > MEM_SMALL || vm->bytes + more > m->limit + MEM_GRACE;
  if (refuse && !m->where[0]) cpx_script_where(vm, vm->running ? vm->running->co : vm->L, m->where, sizeof m->where);
  return refuse;
}

/* Every instruction raises until the slice ends, so that no pcall holds it. The few of budget.call itself are let
 * through: there the slice is over in a moment, and nobody would catch. */
static void on_hook(lua_State *L, lua_Debug *ar) {
  cpx_vm *vm = cpx_vm_of(L);
  if (!cpx_slice_is_over(vm)) {
    vm->meter.hooked = 0;
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  if (!lua_getinfo(L, "S", ar) || strcmp(ar->source, "=cliproxy.budget") == 0) return;
  cpx_check_running(L);
}

void cpx_check_running(lua_State *L) {
  cpx_vm *vm = cpx_vm_of(L);
  cpx_meter *m = &vm->meter;
  if (cpx_slice_is_over(vm)) {
    if (!m->where[0]) cpx_script_where(vm, L, m->where, sizeof m->where);
    luaL_error(L, "the budget of this call is used up"); /* budget.call makes the message from the meter */
  }
  char here;
  ptrdiff_t used = vm->stack_base - &here;
  if (used < 0) used = -used;
  if ((size_t)used > C_STACK_MAX)
    luaL_error(L, "stack overflow: callbacks of sort, gsub or format that call them again");
}

/* -- The timer -------------------------------------------------------------------------------------------------- */

int cpx_meter_open(cpx_vm *vm) {
  struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TICK_SIGNAL};
  event.sigev_value.sival_ptr = vm;
  event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
  struct timespec period = {.tv_nsec = CPX_SLICE_TICK_MS * 1000000L};
  struct itimerspec every = {period, period};
  if (sigaction(TICK_SIGNAL, &action, NULL) || timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &vm->meter.timer)) {
    cpx_log(CPX_LOG_ERROR, "no CPU timer for the budget of scripts: %s", strerror(errno));
    return CPX_EIO;
  }
  vm->meter.ticking = true;
  return timer_settime(vm->meter.timer, 0, &every, NULL) ? CPX_EIO : 0;
}

void cpx_meter_close(cpx_vm *vm) {
  if (!vm->meter.ticking) return;
  vm->meter.serial = 0;
  /* A tick that is already under way must not find the VM gone. */
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, TICK_SIGNAL);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  timer_delete(vm->meter.timer);
  while (sigtimedwait(&set, NULL, &(struct timespec){0}) > 0) {
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  vm->meter.ticking = false;
}
