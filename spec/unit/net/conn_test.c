/* conn_test.c - connections over real sockets: output, marks, half-close, resets, the end. */
#include "net_support.h"

#include "base/limits.h"

static void all_writes_of_a_turn_leave_at_once(void) {
  cpx_loop *loop = new_loop();
  int sockets[2];
  /* Packets keep their borders: what one receive returns was one send. */
  REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sockets) == 0);
  cpx_conn *conn = NULL;
  REQUIRE(cpx_conn_from_socket(loop, sockets[0], "unix", true, &conn) == 0);
  probe p;
  probe_watch(&p, conn);
  write_str(conn, "one ");
  write_str(conn, "two ");
  write_str(conn, "three");
  char buf[64];
  CHECK_INT(recv(sockets[1], buf, sizeof buf, 0), -1);
  CHECK_INT(cpx_conn_pending(conn), 13);
  turns(loop, 1);
  ssize_t n = recv(sockets[1], buf, sizeof buf, 0);
  CHECK_BYTES(buf, (size_t)(n < 0 ? 0 : n), "one two three", 13);
  CHECK_INT(cpx_conn_pending(conn), 0);
  CHECK_INT(cpx_conn_sent(conn), 13);
  CHECK(conn->out.data == NULL);
  write_str(conn, "now");
  cpx_conn_flush(conn);
  CHECK_INT(recv(sockets[1], buf, sizeof buf, 0), 3);
  probe_done(&p);
  CHECK_INT(cpx_loop_free(loop), 0);
  CHECK_INT(p.closes, 1);
  close(sockets[1]);
}

static void reading_stops_and_goes_on(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  CHECK_INT(send(fd, "early", 5, 0), 5);
  turns(loop, 3);
  CHECK_INT(p.reads, 0);
  cpx_conn_read_start(p.conn);
  TURN_UNTIL(loop, p.got.len == 5);
  cpx_conn_read_stop(p.conn);
  CHECK_INT(send(fd, "later", 5, 0), 5);
  turns(loop, 5);
  CHECK_INT(p.got.len, 5);
  cpx_conn_read_start(p.conn);
  TURN_UNTIL(loop, p.got.len == 10);
  CHECK_BYTES(p.got.data, p.got.len, "earlylater", 10);
  probe_done(&p);
  CHECK_INT(cpx_loop_free(loop), 0);
  cpx_buf_deinit(&p.got);
  close(fd);
}

static void an_end_of_file_leaves_the_sending_side_open(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  cpx_conn_read_start(p.conn);
  CHECK_INT(send(fd, "ask", 3, 0), 3);
  shutdown(fd, SHUT_WR);
  TURN_UNTIL(loop, p.eofs == 1);
  CHECK_INT(p.got.len, 3);
  CHECK_INT(p.closes, 0);
  write_str(p.conn, "answer");
  cpx_conn_end(p.conn);
  CHECK_INT(cpx_conn_write(p.conn, "x", 1), CPX_ECLOSED);
  TURN_UNTIL(loop, p.closes == 1);
  CHECK_INT(p.err, 0);
  CHECK_INT(p.eofs, 1);
  char buf[16];
  CHECK_INT(recv(fd, buf, sizeof buf, 0), 6);
  CHECK_INT(recv(fd, buf, sizeof buf, 0), 0);
  CHECK_INT(cpx_loop_free(loop), 0);
  cpx_buf_deinit(&p.got);
  close(fd);
}

static void a_slow_reader_raises_the_marks_and_loses_nothing(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  char block[8192];
  size_t total = 0;
  while (cpx_conn_pending(p.conn) <= CPX_CONN_OUT_HIGH && total < 64 * CPX_MB) {
    for (size_t i = 0; i < sizeof block; i++) block[i] = (char)((total + i) % 251);
    REQUIRE(cpx_conn_write(p.conn, block, sizeof block) == 0);
    total += sizeof block;
    turns(loop, 1);
  }
  CHECK(cpx_conn_pending(p.conn) > CPX_CONN_OUT_HIGH);
  CHECK_INT(p.drains, 0);
  size_t seen = 0;
  bool right = true;
  uint64_t end = cpx_now_ns() + 20000000000ull;
  while (seen < total && cpx_now_ns() < end) {
    ssize_t n = recv(fd, block, sizeof block, 0);
    for (ssize_t i = 0; i < n; i++) right = right && block[i] == (char)((seen + (size_t)i) % 251);
    if (n > 0) seen += (size_t)n;
    turns(loop, 1);
  }
  CHECK_INT(seen, total);
  CHECK(right);
  turns(loop, 1);
  CHECK_INT(p.drains, 1);
  CHECK_INT(cpx_conn_sent(p.conn), total);
  CHECK_INT(cpx_conn_pending(p.conn), 0);
  CHECK(p.conn->out.data == NULL);
  probe_done(&p);
  CHECK_INT(cpx_loop_free(loop), 0);
  close(fd);
}

static void output_beyond_its_bound_is_refused(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  char *big = malloc(CPX_CONN_OUT_MAX);
  REQUIRE(big != NULL);
  memset(big, 'x', CPX_CONN_OUT_MAX);
  CHECK_INT(cpx_conn_write(p.conn, big, CPX_CONN_OUT_MAX + 1), CPX_ETOOBIG);
  CHECK_INT(cpx_conn_write(p.conn, big, CPX_CONN_OUT_MAX), 0);
  CHECK(cpx_conn_pending(p.conn) > 0);
  size_t room = CPX_CONN_OUT_MAX - cpx_conn_pending(p.conn);
  CHECK_INT(cpx_conn_write(p.conn, big, room + 1), CPX_ETOOBIG);
  CHECK_INT(cpx_conn_write(p.conn, big, room), 0);
  free(big);
  probe_done(&p);
  CHECK_INT(cpx_loop_free(loop), 0);
  CHECK_INT(p.closes, 1);
  close(fd);
}

static void a_reset_reaches_the_peer_as_one(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  write_str(p.conn, "lost");
  cpx_conn_abort(p.conn, true);
  CHECK_INT(p.closes, 0);
  CHECK_INT(cpx_conn_write(p.conn, "x", 1), CPX_ECLOSED);
  char c;
  CHECK_INT(recv(fd, &c, 1, 0), -1);
  CHECK_INT(errno, ECONNRESET);
  turns(loop, 1);
  CHECK_INT(p.closes, 1);
  CHECK_INT(p.err, 0);
  CHECK_INT(cpx_loop_free(loop), 0);
  close(fd);
}

static void a_peer_that_resets_closes_with_a_reason(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  cpx_conn_read_start(p.conn);
  turns(loop, 2);
  struct linger linger = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close(fd);
  TURN_UNTIL(loop, p.closes == 1);
  CHECK_INT(p.err, CPX_EEOF);
  CHECK_INT(p.eofs, 0);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void writing_to_a_peer_that_left_closes_with_a_reason(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  close(fd);
  /* The first write makes the peer's kernel send a reset, a later one finds it. */
  uint64_t end = cpx_now_ns() + 10000000000ull;
  while (p.conn && cpx_now_ns() < end) {
    if (cpx_conn_write(p.conn, "x", 1)) break;
    turns(loop, 1);
  }
  TURN_UNTIL(loop, p.closes == 1);
  CHECK_INT(p.err, CPX_EEOF);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void abort_inside(probe *p) {
  cpx_conn_abort(p->conn, false);
  cpx_conn_abort(p->conn, true);
  cpx_conn_end(p->conn);
  cpx_conn_read_stop(p->conn);
  cpx_conn_read_start(p->conn);
  cpx_conn_flush(p->conn);
  if (p->closes) CT_FAIL("on_close ran inside abort");
}

static void a_connection_may_be_aborted_inside_its_callbacks(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  p.hook = abort_inside;
  cpx_conn_read_start(p.conn);
  CHECK_INT(send(fd, "x", 1, 0), 1);
  TURN_UNTIL(loop, p.closes == 1);
  CHECK_INT(p.reads, 1);
  turns(loop, 3);
  CHECK_INT(p.closes, 1);
  CHECK_INT(cpx_loop_free(loop), 0);
  cpx_buf_deinit(&p.got);
  close(fd);
}

static void an_end_waits_for_slow_readers_and_drops_what_they_send(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  size_t total = 8 * CPX_MB;
  char *big = calloc(1, total);
  REQUIRE(big != NULL);
  CHECK_INT(cpx_conn_write(p.conn, big, total), 0);
  cpx_conn_end(p.conn);
  size_t seen = 0;
  bool ended = false;
  uint64_t end = cpx_now_ns() + 20000000000ull;
  while (!ended && cpx_now_ns() < end) {
    (void)send(fd, big, 4096, MSG_NOSIGNAL);
    ssize_t n = recv(fd, big, total, 0);
    if (n > 0) seen += (size_t)n;
    ended = n == 0;
    turns(loop, 1);
  }
  CHECK(ended);
  CHECK_INT(seen, total);
  CHECK_INT(p.reads, 0);
  CHECK_INT(p.closes, 0);
  close(fd);
  TURN_UNTIL(loop, p.closes == 1);
  CHECK_INT(p.err, 0);
  free(big);
  CHECK_INT(cpx_loop_free(loop), 0);
}

static void an_end_does_not_wait_for_ever(void) {
  cpx_loop *loop = new_loop();
  probe p;
  int fd;
  probe_tcp(&p, loop, &fd);
  write_str(p.conn, "bye");
  cpx_conn_end(p.conn);
  uint64_t start = cpx_now_ns();
  while (!p.closes && cpx_now_ns() - start < 10000000000ull) cpx_loop_turn(loop, true);
  uint64_t ms = (cpx_now_ns() - start) / 1000000;
  CHECK_INT(p.closes, 1);
  CHECK_INT(p.err, 0);
  if (ms < 900) CT_FAIL("lingered only %d ms", (int)ms);
  CHECK_INT(cpx_loop_free(loop), 0);
  close(fd);
}

static void an_idle_connection_is_small(void) {
  CHECK(sizeof(cpx_conn) <= 512);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(all_writes_of_a_turn_leave_at_once);
  RUN(reading_stops_and_goes_on);
  RUN(an_end_of_file_leaves_the_sending_side_open);
  RUN(a_slow_reader_raises_the_marks_and_loses_nothing);
  RUN(output_beyond_its_bound_is_refused);
  RUN(a_reset_reaches_the_peer_as_one);
  RUN(a_peer_that_resets_closes_with_a_reason);
  RUN(writing_to_a_peer_that_left_closes_with_a_reason);
  RUN(a_connection_may_be_aborted_inside_its_callbacks);
  RUN(an_end_waits_for_slow_readers_and_drops_what_they_send);
  RUN(an_end_does_not_wait_for_ever);
  RUN(an_idle_connection_is_small);
  return ct_summary();
}
