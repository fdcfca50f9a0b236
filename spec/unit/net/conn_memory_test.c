/* conn_memory_test.c - pairs in memory behave as sockets do. */
#include "net_support.h"

#include "base/limits.h"

typedef struct pair {
  cpx_loop *loop;
  probe a, b;
} pair;

static pair *pair_new(size_t step) {
  pair *p = calloc(1, sizeof *p);
  cpx_conn *a, *b;
  if (!p) abort();
  p->loop = new_loop();
  if (cpx_conn_pair(p->loop, step, &a, &b)) abort();
  probe_watch(&p->a, a);
  probe_watch(&p->b, b);
  cpx_conn_read_start(a);
  cpx_conn_read_start(b);
  return p;
}

static void pair_free(pair *p) {
  probe_done(&p->a);
  probe_done(&p->b);
  CHECK_INT(cpx_loop_free(p->loop), 0);
  CHECK_INT(p->a.closes, 1);
  CHECK_INT(p->b.closes, 1);
  cpx_buf_deinit(&p->a.got);
  cpx_buf_deinit(&p->b.got);
  free(p);
}

static void a_turn_of_writes_arrives_as_one_read(void) {
  pair *p = pair_new(0);
  CHECK_STR(cpx_conn_peer(p->a.conn), "memory");
  CHECK(cpx_conn_is_local(p->a.conn));
  write_str(p->a.conn, "one ");
  write_str(p->a.conn, "two");
  CHECK_INT(cpx_conn_pending(p->a.conn), 7);
  TURN_UNTIL(p->loop, p->b.reads > 0);
  CHECK_BYTES(p->b.got.data, p->b.got.len, "one two", 7);
  CHECK_INT(p->b.reads, 1);
  CHECK_INT(cpx_conn_sent(p->a.conn), 7);
  pair_free(p);
}

static void steps_are_taken_one_a_turn(void) {
  pair *p = pair_new(1);
  write_str(p->a.conn, "12345");
  for (int turn = 0; turn < 20 && p->b.got.len < 5; turn++) {
    size_t before = p->b.got.len;
    turns(p->loop, 1);
    CHECK(p->b.got.len - before <= 1);
  }
  CHECK_BYTES(p->b.got.data, p->b.got.len, "12345", 5);
  CHECK_INT(p->b.reads, 5);
  pair_free(p);
}

static void marks_and_pausing_work_as_on_sockets(void) {
  pair *p = pair_new(0);
  cpx_conn_read_stop(p->b.conn);
  char block[4096] = {0};
  while (cpx_conn_pending(p->a.conn) <= CPX_CONN_OUT_HIGH) REQUIRE(cpx_conn_write(p->a.conn, block, sizeof block) == 0);
  turns(p->loop, 5);
  CHECK_INT(p->b.reads, 0);
  CHECK_INT(p->a.drains, 0);
  cpx_conn_read_start(p->b.conn);
  TURN_UNTIL(p->loop, p->a.drains == 1);
  CHECK_INT(cpx_conn_pending(p->a.conn), 0);
  CHECK(p->b.got.len > CPX_CONN_OUT_HIGH);
  pair_free(p);
}

static void an_end_is_an_end_of_file_and_answers_still_arrive(void) {
  pair *p = pair_new(2);
  write_str(p->a.conn, "question");
  cpx_conn_end(p->a.conn);
  TURN_UNTIL(p->loop, p->b.eofs == 1);
  CHECK_BYTES(p->b.got.data, p->b.got.len, "question", 8);
  write_str(p->b.conn, "dropped by the side that has ended");
  cpx_conn_end(p->b.conn);
  TURN_UNTIL(p->loop, p->a.closes && p->b.closes);
  CHECK_INT(p->a.err, 0);
  CHECK_INT(p->b.err, 0);
  CHECK_INT(p->a.reads, 0);
  pair_free(p);
}

static void a_reset_closes_the_other_side(void) {
  pair *p = pair_new(0);
  write_str(p->a.conn, "lost");
  cpx_conn_abort(p->a.conn, true);
  TURN_UNTIL(p->loop, p->b.closes == 1);
  CHECK_INT(p->b.err, CPX_EEOF);
  CHECK_INT(p->b.eofs, 0);
  pair_free(p);
}

static void a_close_without_reset_is_an_end_of_file_until_one_writes(void) {
  pair *p = pair_new(0);
  cpx_conn_abort(p->a.conn, false);
  TURN_UNTIL(p->loop, p->b.eofs == 1);
  CHECK_INT(p->b.closes, 0);
  write_str(p->b.conn, "anyone?");
  TURN_UNTIL(p->loop, p->b.closes == 1);
  CHECK_INT(p->b.err, CPX_EEOF);
  pair_free(p);
}

static void echo(probe *p) {
  cpx_conn *other = p->extra;
  if (cpx_conn_write(other, p->got.data, p->got.len)) CT_FAIL("echo failed");
  p->got.len = 0;
}

static void writing_inside_on_data_is_safe(void) {
  pair *p = pair_new(3);
  p->b.hook = echo;
  p->b.extra = p->b.conn;
  write_str(p->a.conn, "there and back again");
  TURN_UNTIL(p->loop, p->a.got.len == 20);
  CHECK_BYTES(p->a.got.data, p->a.got.len, "there and back again", 20);
  pair_free(p);
}

static void close_both(probe *p) {
  cpx_conn_abort(p->conn, false);
  cpx_conn_abort(p->extra, true);
}

static void both_sides_may_be_aborted_inside_on_data(void) {
  pair *p = pair_new(1);
  p->b.hook = close_both;
  p->b.extra = p->a.conn;
  write_str(p->a.conn, "xyz");
  TURN_UNTIL(p->loop, p->a.closes && p->b.closes);
  CHECK_INT(p->b.reads, 1);
  pair_free(p);
}

static void fill_again(probe *p) {
  static char block[CPX_CONN_OUT_HIGH];
  size_t *rounds = p->extra;
  if ((*rounds)-- > 0 && cpx_conn_write(p->conn, block, sizeof block)) CT_FAIL("write failed");
}

static void a_source_that_fills_up_at_every_drain_is_drained_every_time(void) {
  pair *p = pair_new(50000);
  size_t rounds = 5;
  p->a.on_drain = fill_again;
  p->a.extra = &rounds;
  fill_again(&p->a);
  TURN_UNTIL(p->loop, p->b.got.len == 5 * CPX_CONN_OUT_HIGH);
  turns(p->loop, 3);
  CHECK_INT(p->a.drains, 5);
  pair_free(p);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(a_turn_of_writes_arrives_as_one_read);
  RUN(steps_are_taken_one_a_turn);
  RUN(marks_and_pausing_work_as_on_sockets);
  RUN(an_end_is_an_end_of_file_and_answers_still_arrive);
  RUN(a_reset_closes_the_other_side);
  RUN(a_close_without_reset_is_an_end_of_file_until_one_writes);
  RUN(writing_inside_on_data_is_safe);
  RUN(both_sides_may_be_aborted_inside_on_data);
  RUN(a_source_that_fills_up_at_every_drain_is_drained_every_time);
  return ct_summary();
}
