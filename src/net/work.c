#include "net/work.h"

#include "net/loop_internal.h"

#include <assert.h>

static void on_work(uv_work_t *uv) {
  cpx_work *work = uv->data;
  work->run(work);
}

static void on_done(uv_work_t *uv, int status) {
  (void)status; /* nobody cancels it */
  cpx_work *work = uv->data;
  work->loop->works--;
  work->done(work);
}

void cpx_work_start(cpx_loop *loop, cpx_work *work) {
  work->loop = loop;
  work->uv.data = work;
  loop->works++;
  int err = uv_queue_work(&loop->uv, &work->uv, on_work, on_done);
  assert(!err); /* it refuses a missing function and nothing else */
  (void)err;
}
