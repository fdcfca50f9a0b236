/* conn_chaos_test.c - random calls at random moments, from callbacks too: what arrives is a prefix of what was written,
 * every connection closes exactly once, and nothing leaks. The seed is printed; give it as CHAOS_SEED to repeat a run.
 */
#include "net_support.h"

#include "base/limits.h"

#define PAIRS  24
#define ROUNDS 4000

typedef struct side {
  cpx_conn *conn;
  struct side *other;
  uint64_t written, got;
  int closes, eofs;
  bool wrong;
} side;

static unsigned state;

static unsigned roll(unsigned n) {
  state = state * 1664525u + 1013904223u;
  return (state >> 8) % n;
}

static void act(side *s) {
  static char block[40000];
  if (!s->conn) return;
  unsigned what = roll(100);
  if (what < 45) {
    size_t n = 1 + roll(roll(8) ? 600 : sizeof block);
    for (size_t i = 0; i < n; i++) block[i] = (char)((s->written + i) % 241);
    if (cpx_conn_pending(s->conn) < CPX_MB && cpx_conn_write(s->conn, block, n) == 0) s->written += n;
  } else if (what < 70) {
    cpx_conn_read_start(s->conn);
  } else if (what < 80) {
    cpx_conn_read_stop(s->conn);
  } else if (what < 96) {
    cpx_conn_flush(s->conn);
  } else if (roll(12) == 0) {
    cpx_conn_end(s->conn);
  } else if (roll(20) == 0) {
    cpx_conn_abort(s->conn, roll(2));
  }
}

static void on_data(void *user, const char *bytes, size_t n) {
  side *s = user;
  for (size_t i = 0; i < n; i++) s->wrong = s->wrong || bytes[i] != (char)((s->got + i) % 241);
  s->got += n;
  if (s->closes || s->eofs) s->wrong = true;
  act(roll(2) ? s : s->other);
}

static void on_eof(void *user) {
  side *s = user;
  if (s->eofs++ || s->closes) s->wrong = true;
  act(s);
}

static void on_drain(void *user) {
  act(user);
}

static void on_close(void *user, int err) {
  side *s = user;
  (void)err;
  s->closes++;
  act(s); /* the calls find a closing connection */
  s->conn = NULL;
}

static void chaos(void (*join)(cpx_loop *loop, cpx_conn **a, cpx_conn **b)) {
  static const cpx_conn_events events = {on_data, on_eof, on_drain, on_close, NULL};
  cpx_loop *loop = new_loop();
  side *sides = calloc(2 * PAIRS, sizeof *sides);
  REQUIRE(sides != NULL);
  for (int i = 0; i < 2 * PAIRS; i += 2) {
    join(loop, &sides[i].conn, &sides[i + 1].conn);
    for (int k = 0; k < 2; k++) {
      sides[i + k].other = &sides[i + 1 - k];
      cpx_conn_set_events(sides[i + k].conn, &events, &sides[i + k]);
      cpx_conn_read_start(sides[i + k].conn);
    }
  }
  for (int round = 0; round < ROUNDS; round++) {
    for (int k = 0; k < 4; k++) act(&sides[roll(2 * PAIRS)]);
    if (roll(3) == 0) turns(loop, 1);
  }
  uint64_t total = 0;
  for (int i = 0; i < 2 * PAIRS; i++)
    if (sides[i].conn) cpx_conn_abort(sides[i].conn, roll(2));
  CHECK_INT(cpx_loop_free(loop), 0);
  for (int i = 0; i < 2 * PAIRS; i++) {
    CHECK_INT(sides[i].closes, 1);
    CHECK(sides[i].got <= sides[i].other->written);
    if (sides[i].wrong) CT_FAIL("connection %d got wrong bytes or callbacks in the wrong order", i);
    total += sides[i].got;
  }
  CHECK(total > 100000);
  free(sides);
}

static void join_memory(cpx_loop *loop, cpx_conn **a, cpx_conn **b) {
  if (cpx_conn_pair(loop, roll(3) ? roll(20000) : 0, a, b)) abort();
}

static void join_tcp(cpx_loop *loop, cpx_conn **a, cpx_conn **b) {
  int one, two;
  tcp_pair(&one, &two);
  if (cpx_conn_from_socket(loop, one, "a", true, a) || cpx_conn_from_socket(loop, two, "b", true, b)) abort();
}

static void join_unix(cpx_loop *loop, cpx_conn **a, cpx_conn **b) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) abort();
  if (cpx_conn_from_socket(loop, fds[0], "a", true, a) || cpx_conn_from_socket(loop, fds[1], "b", true, b)) abort();
}

static void random_calls_on_memory_pairs(void) {
  chaos(join_memory);
}

static void random_calls_on_tcp(void) {
  chaos(join_tcp);
}

static void random_calls_on_unix_sockets(void) {
  chaos(join_unix);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  const char *seed = getenv("CHAOS_SEED");
  state = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)cpx_now_ns();
  printf("CHAOS_SEED=%u\n", state);
  RUN(random_calls_on_memory_pairs);
  RUN(random_calls_on_tcp);
  RUN(random_calls_on_unix_sockets);
  return ct_summary();
}
