/* Every row of the table of hostile requests, at several cuts: one answer, its status, then closed or ready for more.
 */
#include "server_support.h"

#include "base/limits.h"
#include "http/parser.h"

#define KEEP  false
#define CLOSE true

typedef struct row {
  const char *name;
  int status;
  bool close;
  const char *before;
  size_t before_n;
  char fill;
  size_t count;
  const char *after;
  size_t after_n;
} row;

static const row rows[] = {
#define ROW(name, status, end, bytes) {name, status, end, bytes, sizeof(bytes) - 1, 0, 0, "", 0},
#define LONG(name, status, end, before, fill, count, after)                                                            \
  {name, status, end, before, sizeof(before) - 1, fill, count, after, sizeof(after) - 1},
#include "hostile_cases.h"
};

static void bytes_of(const row *r, cpx_buf *out) {
  cpx_buf_init(out, SIZE_MAX);
  if (cpx_buf_add(out, r->before, r->before_n) || cpx_buf_reserve(out, r->count + 1)) abort();
  memset(out->data + out->len, r->fill, r->count);
  out->len += r->count;
  if (cpx_buf_add(out, r->after, r->after_n)) abort();
}

/* After the row: `step` bytes a turn through the pair, and the row cut at `cut`. */
static void run_row(const row *r, size_t step, size_t cut) {
  bench b;
  cpx_buf bytes;
  answer a;
  open_bench_with(&b, (cpx_http_options){0}, step);
  bytes_of(r, &bytes);
  if (cut > bytes.len) cut = bytes.len;
  if (cpx_conn_write(b.client.conn, bytes.data, cut)) abort();
  if (cut && cut < bytes.len) turns(b.loop, 4);
  if (b.client.conn && cpx_conn_write(b.client.conn, bytes.data + cut, bytes.len - cut)) abort();
  if (!next_answer(&b, &a)) {
    CT_FAIL("%s (step %zu, cut %zu): no answer", r->name, step, cut);
  } else {
    EXPECT(a.status == r->status, "%s (step %zu, cut %zu): %d, want %d (%s)", r->name, step, cut, a.status, r->status,
           b.desk.text);
  }
  if (r->close) {
    /* The rest of a refused body is waited for a little: this client says that none comes. */
    if (r->status == 413 && b.client.conn) cpx_conn_end(b.client.conn);
    EXPECT_CLOSED(&b);
    if (a.status) EXPECT(cpx_slice_ieq(answer_header(&a, "connection"), CPX_SLICE("close")), "%s: not said", r->name);
    EXPECT(unread(&b).n == 0, "%s (step %zu, cut %zu): more than one answer", r->name, step, cut);
    EXPECT(b.desk.calls == 1, "%s: the handler saw %d requests", r->name, b.desk.calls);
  } else {
    ask(&b, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_ANSWER(&b, &a, 200);
    CHECK_STR(b.desk.path, "/again");
    CHECK_INT(b.desk.calls, 2);
  }
  cpx_buf_deinit(&bytes);
  close_bench(&b);
}

static void every_row_has_its_answer_however_it_is_cut(void) {
  unsigned seed = 11;
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    const row *r = &rows[i];
    size_t n = r->before_n + r->count + r->after_n;
    run_row(r, 0, n);
    if (r->count < 1000) run_row(r, 1, n);
    for (int k = 0; k < 3; k++) run_row(r, 0, 1 + next_random(&seed) % n);
    if (ct.bad) printf("  (row \"%s\")\n", r->name);
  }
}

/* What comes behind a refused request on the same connection is never taken for another one. */
static void no_more_is_taken_than_was_given(void) {
  static const char *const heads[] = {
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
      "GET / HT\rTP/1.1\r\nHost: x\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc",
      "GET / HT\rTP/1.1",
      "G ET",
      "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\nbody",
  };
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    size_t n = strlen(heads[i]);
    for (size_t cut = 1; cut < n; cut++) {
      cpx_reqhead h;
      cpx_reqhead_init(&h, CPX_HTTP_HEAD_MAX);
      size_t used = 0;
      int err = cpx_reqhead_feed(&h, heads[i], cut, &used);
      if (used > cut) CT_FAIL("head %zu cut at %zu: %zu bytes taken", i, cut, used);
      if (err == CPX_EAGAIN) {
        CHECK_INT(used, cut);
        (void)!cpx_reqhead_feed(&h, heads[i] + cut, n - cut, &used);
        if (used > n - cut) CT_FAIL("head %zu behind the cut at %zu: %zu of %zu taken", i, cut, used, n - cut);
      }
      cpx_reqhead_deinit(&h);
    }
  }
}

static void nothing_is_smuggled_behind_a_fault(void) {
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    if (!rows[i].close || rows[i].status == 200 || rows[i].count) continue;
    bench b;
    answer a;
    open_bench(&b);
    if (cpx_conn_write(b.client.conn, rows[i].before, rows[i].before_n)) abort();
    ask(&b, "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_ANSWER(&b, &a, rows[i].status);
    if (rows[i].status == 413 && b.client.conn) cpx_conn_end(b.client.conn);
    EXPECT_CLOSED(&b);
    EXPECT(b.desk.calls == 1 && strcmp(b.desk.path, "/evil") != 0, "%s: %d requests", rows[i].name, b.desk.calls);
    close_bench(&b);
  }
}

static void too_many_headers_are_refused(void) {
  for (int extra = 0; extra <= 1; extra++) {
    bench b;
    answer a;
    open_bench(&b);
    ask(&b, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 255 + extra; i++) ask(&b, "A: b\r\n");
    ask(&b, "\r\n");
    EXPECT_ANSWER(&b, &a, extra ? 431 : 200);
    close_bench(&b);
  }
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(every_row_has_its_answer_however_it_is_cut);
  RUN(no_more_is_taken_than_was_given);
  RUN(nothing_is_smuggled_behind_a_fault);
  RUN(too_many_headers_are_refused);
  printf("hostile: %zu rows\n", sizeof(rows) / sizeof(*rows));
  return ct_summary();
}
