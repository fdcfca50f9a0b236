/* conn_memory.c - two connections joined in memory. Bytes stay in the writer's output until the reader takes them, in a
 * job, so that marks, pausing and the order of callbacks are those of a socket, only without a kernel and its buffers.
 */
#include "net/conn_internal.h"

#include "base/limits.h"

#include <stdlib.h>

typedef struct memory {
  cpx_conn base;
  struct memory *other; /* NULL: it has closed */
  size_t step;
  cpx_job work;
  bool was_reset; /* `other` closed with a reset */
  bool shut;      /* no more output will come */
  bool eof_told;  /* the other side knows that */
} memory;

static void carry(memory *m) {
  memory *to = m->other;
  if (!m->base.blocked) return; /* not flushed yet */
  char *buf = cpx_loop_read_buf(m->base.loop);
  if (!buf) {
    cpx_conn_fail(&m->base, CPX_ENOMEM);
    return;
  }
  size_t quota = m->step ? m->step : cpx_conn_own_pending(&m->base);
  while (quota > 0 && !m->base.closing && cpx_conn_own_pending(&m->base) > 0 && cpx_conn_wants_read(&to->base)) {
    size_t n = cpx_conn_own_pending(&m->base);
    if (n > quota) n = quota;
    if (n > CPX_CONN_READ) n = CPX_CONN_READ;
    memcpy(buf, m->base.out.data + m->base.out_at, n);
    quota -= n;
    cpx_conn_took(&m->base, n);
    cpx_conn_input(&to->base, buf, n);
  }
}

static void carry_and_report(memory *m) {
  carry(m);
  if (m->base.closing) return;
  memory *to = m->other;
  if (cpx_conn_own_pending(&m->base) == 0) {
    cpx_conn_writable(&m->base);
    if (to && m->shut && !m->eof_told && !m->base.closing && cpx_conn_wants_read(&to->base)) {
      m->eof_told = true;
      cpx_conn_input_eof(&to->base);
    }
    return;
  }
  if (!m->base.blocked) return;
  cpx_conn_check_drain(&m->base);
  if (!to || cpx_conn_wants_read(&to->base)) cpx_loop_defer_next(m->base.loop, &m->work);
}

static void on_work(cpx_job *job) {
  memory *m = CPX_CONTAINER(job, memory, work);
  if (m->base.closing) return;
  if (m->other) {
    carry_and_report(m);
  } else if (m->was_reset || cpx_conn_own_pending(&m->base) > 0) {
    cpx_conn_fail(&m->base, CPX_EEOF);
  } else if (cpx_conn_wants_read(&m->base)) {
    cpx_conn_input_eof(&m->base);
  }
}

/* Nothing is taken here: the job carries it over. */
// NOLINTNEXTLINE(readability-non-const-parameter): the type of the callback
static int memory_send(cpx_conn *conn, const char *bytes, size_t n, size_t *taken) {
  (void)bytes, (void)n, (void)taken;
  memory *m = (memory *)conn;
  cpx_loop_defer(conn->loop, &m->work);
  return 0;
}

static void memory_update(cpx_conn *conn) {
  memory *m = (memory *)conn;
  if (!cpx_conn_wants_read(conn)) return;
  cpx_loop_defer(conn->loop, m->other ? &m->other->work : &m->work);
}

static int memory_shut(cpx_conn *conn) {
  memory *m = (memory *)conn;
  m->shut = true;
  cpx_loop_defer(conn->loop, &m->work);
  return 0;
}

static void memory_close(cpx_conn *conn, bool reset) {
  memory *m = (memory *)conn;
  cpx_job_cancel(&m->work);
  if (m->other) {
    m->other->other = NULL;
    m->other->was_reset = reset;
    cpx_loop_defer(conn->loop, &m->other->work);
    m->other = NULL;
  }
  cpx_conn_released(conn);
}

static const cpx_conn_ops memory_ops = {
    .send = memory_send, .update = memory_update, .shut = memory_shut, .close = memory_close};

static memory *new_half(cpx_loop *loop, size_t step) {
  memory *m = calloc(1, sizeof *m);
  if (!m) return NULL;
  cpx_conn_init(&m->base, loop, &memory_ops);
  cpx_job_init(&m->work, on_work);
  m->step = step;
  m->base.is_local = true;
  memcpy(m->base.peer, "memory", sizeof "memory");
  return m;
}

int cpx_conn_pair(cpx_loop *loop, size_t step, cpx_conn **a, cpx_conn **b) {
  memory *one = new_half(loop, step), *two = new_half(loop, step);
  if (!one || !two) {
    free(one);
    free(two);
    return CPX_ENOMEM;
  }
  one->other = two;
  two->other = one;
  *a = &one->base;
  *b = &two->base;
  return 0;
}
