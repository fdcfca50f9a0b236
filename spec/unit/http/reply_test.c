/* reply_test.c - answers held until they commit, then relayed, pulled or
 * collected; the source and the client are fakes. */
#include "http/reply.h"

#include "base/limits.h"
#include "check.h"

/* -- The client's exchange, faked: what reply.c calls, and nothing else. */

struct cpx_exchange {
  int refs, ends, completes;
  bool gone;
  size_t pending;
  int write_err;
  cpx_buf written;
  cpx_exchange_events events;
  void *user;
};

cpx_exchange *cpx_exchange_ref(cpx_exchange *ex) {
  ex->refs++;
  return ex;
}

void cpx_exchange_unref(cpx_exchange *ex) {
  ex->refs--;
}

void cpx_exchange_watch(cpx_exchange *ex, const cpx_exchange_events *events, void *user) {
  ex->events = events ? *events : (cpx_exchange_events){0};
  ex->user = user;
}

cpx_exchange_events cpx_exchange_watched(const cpx_exchange *ex, void **user) {
  *user = ex->user;
  return ex->events;
}

bool cpx_exchange_is_gone(const cpx_exchange *ex) {
  return ex->gone;
}

int cpx_exchange_write(cpx_exchange *ex, const void *bytes, size_t n) {
  if (ex->gone) return CPX_ECLOSED;
  if (ex->write_err) return ex->write_err;
  return cpx_buf_add(&ex->written, bytes, n);
}

size_t cpx_exchange_pending(const cpx_exchange *ex) {
  return ex->pending;
}

void cpx_exchange_end(cpx_exchange *ex) {
  ex->ends++;
}

void cpx_exchange_mark_complete(cpx_exchange *ex) {
  ex->completes++;
}

/* -- The source, faked. */

typedef struct fake {
  cpx_source source;
  int starts, pauses, resumes, cancels, frees, lingers;
} fake;

#define FAKE_OP(name, field)                                                                                           \
  static void fake_##name(cpx_source *s) {                                                                             \
    ((fake *)(void *)s)->field++;                                                                                      \
  }
FAKE_OP(start, starts)
FAKE_OP(pause, pauses)
FAKE_OP(resume, resumes)
FAKE_OP(cancel, cancels)
FAKE_OP(free, frees)
FAKE_OP(linger, lingers)

static const cpx_source_ops fake_ops = {fake_start, fake_pause, fake_resume, fake_cancel, fake_free, fake_linger};

/* -- One of each. */

typedef struct bed {
  cpx_loop *loop;
  fake source;
  cpx_exchange ex;
  cpx_reply *reply;
  int readies, events, relays, bodies, body_err;
  cpx_relayed how;
  char text[200];
  cpx_buf body;
  bool free_when_ready;
} bed;

static void on_ready(void *user) {
  bed *b = user;
  b->readies++;
  if (b->free_when_ready) {
    cpx_reply_free(b->reply);
    b->reply = NULL;
  }
}

static void on_event(void *user) {
  ((bed *)user)->events++;
}

static void on_relayed(void *user, const cpx_relayed *how) {
  bed *b = user;
  b->relays++;
  b->how = *how;
  snprintf(b->text, sizeof b->text, "%s", how->text);
}

static void on_body(void *user, int err, cpx_buf *body) {
  bed *b = user;
  b->bodies++;
  b->body_err = err;
  if (!err) {
    b->body = *body;
    cpx_buf_init(body, body->max);
  }
}

static bed *bed_new(enum cpx_dialect dialect, bool stream) {
  bed *b = calloc(1, sizeof *b);
  if (cpx_loop_new(&b->loop)) abort();
  b->source.source.ops = &fake_ops;
  b->ex.refs = 1;
  cpx_buf_init(&b->ex.written, 1 << 28);
  cpx_reply_options o = {
      .dialect = dialect, .framing = CPX_FRAMING_SSE, .stream = stream, .on_ready = on_ready, .user = b};
  o.first_byte_ms = 30;
  if (cpx_reply_new(b->loop, &b->source.source, &o, &b->reply)) abort();
  CHECK_INT(b->source.starts, 1);
  return b;
}

static void turn(bed *b) {
  cpx_loop_turn(b->loop, false);
}

static void bed_free(bed *b) {
  if (b->reply) cpx_reply_free(b->reply);
  CHECK_INT(b->source.frees + b->source.lingers, 1);
  CHECK_INT(b->ex.refs, 1);
  cpx_buf_deinit(&b->ex.written);
  cpx_buf_deinit(&b->body);
  CHECK_INT(cpx_loop_free(b->loop), 0);
  free(b);
}

static void give_head(bed *b, int status, const char *type) {
  cpx_header headers[2] = {{CPX_SLICE("content-type"), cpx_slice_str(type)}, {CPX_SLICE("x-id"), CPX_SLICE("7")}};
  cpx_head head = {status, headers, 2, -1};
  b->source.source.sink->on_head(b->source.source.user, &head);
}

static void give(bed *b, const char *text) {
  b->source.source.sink->on_data(b->source.source.user, text, strlen(text));
}

static void give_end(bed *b, int err, const char *text) {
  cpx_end end = {err, text, true};
  b->source.source.sink->on_end(b->source.source.user, &end);
}

#define SSE   "text/event-stream; charset=utf-8"
#define START "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n"
#define PING  "event: ping\ndata: {\"type\":\"ping\"}\n\n"
#define DELTA "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"x\"}}\n\n"
#define STOP  "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
#define ERROR                                                                                                          \
  "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"

/* Up to READY, with these bytes. */
static bed *ready_stream(const char *bytes) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, true);
  give_head(b, 200, SSE);
  give(b, bytes);
  turn(b);
  CHECK_INT(b->readies, 1);
  return b;
}

static void check_written(bed *b, const char *want) {
  CHECK_BYTES(b->ex.written.data, b->ex.written.len, want, strlen(want));
}

static void relay(bed *b) {
  CHECK_INT(cpx_reply_relay(b->reply, &b->ex, on_relayed, b), 0);
}

/* -- Peeking. */

static void a_stream_waits_for_the_event_that_commits(void) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, true);
  cpx_event e;
  give_head(b, 200, SSE);
  give(b, ": hello\n\n" START PING);
  turn(b);
  CHECK_INT(b->readies, 0);
  give(b, DELTA STOP);
  CHECK_INT(b->readies, 0); /* a job, not a call inside the source's */
  turn(b);
  CHECK_INT(b->readies, 1);
  CHECK_INT(cpx_reply_status(b->reply), 200);
  REQUIRE(cpx_reply_first_event(b->reply, &e));
  CHECK_SLICE(e.raw, DELTA);
  CHECK_SLICE(e.type, "content_block_delta");
  CHECK(cpx_reply_tap(b->reply)->stream);
  CHECK(cpx_reply_end_of(b->reply) == NULL);
  cpx_slice id;
  CHECK(cpx_reply_header(b->reply, CPX_SLICE("x-id"), &id) && cpx_slice_eq(id, CPX_SLICE("7")));
  CHECK(cpx_reply_head_ns(b->reply) > 0 && cpx_reply_first_ns(b->reply) >= cpx_reply_head_ns(b->reply));
  bed_free(b);
}

static void an_error_before_the_first_text_is_the_first_event(void) {
  bed *b = ready_stream(START ERROR);
  cpx_event e;
  REQUIRE(cpx_reply_first_event(b->reply, &e));
  CHECK_SLICE(e.type, "error");
  CHECK(cpx_reply_tap(b->reply)->error);
  bed_free(b);
}

static void peeking_is_bounded_and_pauses_the_source(void) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, true);
  char ping[1000];
  snprintf(ping, sizeof ping, ": %0900d\n\n", 0);
  give_head(b, 200, SSE);
  for (int i = 0; i < 70; i++) give(b, ping);
  CHECK_INT(b->source.pauses, 0);
  for (int i = 0; i < 4; i++) give(b, ping);
  CHECK_INT(b->source.pauses, 1);
  turn(b);
  CHECK_INT(b->readies, 1);
  cpx_event e;
  CHECK(!cpx_reply_first_event(b->reply, &e));
  CHECK_INT(cpx_reply_held(b->reply).n, 74 * strlen(ping));
  relay(b);
  CHECK_INT(b->source.resumes, 1);
  CHECK_INT(b->ex.written.len, 74 * strlen(ping));
  bed_free(b);
}

static void pings_alone_are_given_up_after_the_first_byte_time(void) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, true);
  give_head(b, 200, SSE);
  give(b, START PING);
  uint64_t from = cpx_now_ns();
  while (!b->readies && cpx_now_ns() - from < 5000000000ULL) cpx_loop_turn(b->loop, true);
  CHECK_INT(b->readies, 1);
  CHECK(cpx_now_ns() - from > 20 * 1000000ULL);
  bed_free(b);
}

static void a_stream_that_ends_early_is_ready_at_its_end(void) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, true);
  give_head(b, 200, SSE);
  give(b, START);
  give_end(b, CPX_EEOF, "h:1: the connection closed");
  turn(b);
  CHECK_INT(b->readies, 1);
  CHECK_INT(cpx_reply_end_of(b->reply)->err, CPX_EEOF);
  CHECK_STR(cpx_reply_end_of(b->reply)->text, "h:1: the connection closed");
  bed_free(b);
}

static void a_failed_call_is_a_reply_without_status(void) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, true);
  give_end(b, CPX_ECONNECT, "h:1: could not connect");
  turn(b);
  CHECK_INT(b->readies, 1);
  CHECK_INT(cpx_reply_status(b->reply), 0);
  CHECK_INT(cpx_reply_length(b->reply), -1);
  CHECK_INT(cpx_reply_end_of(b->reply)->err, CPX_ECONNECT);
  bed_free(b);
}

static void a_failed_status_waits_for_its_body(void) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, true);
  give_head(b, 529, "application/json");
  give(b, "{\"type\":\"error\",");
  turn(b);
  CHECK_INT(b->readies, 0);
  give(b, "\"error\":{}}");
  give_end(b, 0, "");
  turn(b);
  CHECK_INT(b->readies, 1);
  CHECK_SLICE(cpx_reply_held(b->reply), "{\"type\":\"error\",\"error\":{}}");
  CHECK(!cpx_reply_tap(b->reply)->stream);
  bed_free(b);
}

static void a_large_failed_body_is_cut_at_its_bound(void) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, false);
  char piece[1025];
  memset(piece, 'e', 1024);
  piece[1024] = '\0';
  give_head(b, 500, "text/html");
  for (int i = 0; i < 63; i++) give(b, piece);
  turn(b);
  CHECK_INT(b->readies, 0);
  give(b, piece);
  turn(b);
  CHECK_INT(b->readies, 1);
  CHECK_INT(b->source.pauses, 1);
  bed_free(b);
}

static void the_content_type_says_what_is_a_stream(void) {
  static const struct {
    const char *type;
    bool asked, is;
  } rows[] = {{SSE, true, true},
              {SSE, false, true},
              {"application/json", true, false},
              {"application/json", false, false},
              {"", true, true},
              {"text/html", true, false},
              {"text/plain", true, true}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    bed *b = bed_new(CPX_DIALECT_OPENAI_CHAT, rows[i].asked);
    give_head(b, 200, rows[i].type);
    EXPECT(cpx_reply_tap(b->reply)->stream == rows[i].is, "row %zu", i);
    bed_free(b);
  }
}

static void freeing_inside_on_ready_is_allowed(void) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, true);
  b->free_when_ready = true;
  give_head(b, 200, SSE);
  give(b, DELTA);
  turn(b);
  turn(b);
  CHECK(b->reply == NULL);
  bed_free(b);
}

/* -- Relaying. */

static void a_relay_passes_every_byte(void) {
  bed *b = ready_stream(START PING DELTA "event: content_bl");
  relay(b);
  check_written(b, START PING DELTA "event: content_bl");
  give(b, "ock_stop\ndata: {}\n\n");
  CHECK_INT(b->ex.completes, 0);
  give(b, STOP);
  CHECK(b->ex.completes > 0);
  CHECK_INT(b->relays, 0);
  give_end(b, 0, "");
  CHECK_INT(b->relays, 0);
  turn(b);
  CHECK_INT(b->relays, 1);
  check_written(b, START PING DELTA "event: content_block_stop\ndata: {}\n\n" STOP);
  CHECK_INT(b->how.err, 0);
  CHECK(b->how.complete && !b->how.client_gone);
  CHECK_INT(b->how.bytes, b->ex.written.len);
  CHECK_INT(b->ex.ends, 1);
  CHECK_INT(cpx_reply_tap(b->reply)->events, 5);
  bed_free(b);
}

static void a_stream_that_was_over_before_the_relay_is_relayed_whole(void) {
  bed *b = bed_new(CPX_DIALECT_ANTHROPIC, true);
  give_head(b, 200, SSE);
  give(b, START DELTA STOP);
  give_end(b, 0, "");
  turn(b);
  relay(b);
  turn(b);
  CHECK_INT(b->relays, 1);
  CHECK(b->how.complete);
  check_written(b, START DELTA STOP);
  CHECK_INT(cpx_reply_tap(b->reply)->events, 3);
  bed_free(b);
}

static void a_stream_without_its_last_event_is_not_complete(void) {
  bed *b = ready_stream(START DELTA);
  relay(b);
  give_end(b, 0, "");
  turn(b);
  CHECK_INT(b->how.err, 0);
  CHECK(!b->how.complete);
  CHECK_INT(b->ex.ends, 1);
  bed_free(b);
}

static void a_broken_source_leaves_the_exchange_open(void) {
  bed *b = ready_stream(START DELTA);
  relay(b);
  give_end(b, CPX_ETIMEOUT, "h:1: no further byte within 2 s");
  turn(b);
  CHECK_INT(b->how.err, CPX_ETIMEOUT);
  CHECK_STR(b->text, "h:1: no further byte within 2 s");
  CHECK(!b->how.complete);
  CHECK_INT(b->ex.ends, 0);
  bed_free(b);
}

static void what_breaks_behind_the_last_event_breaks_nothing(void) {
  bed *b = ready_stream(START DELTA STOP);
  relay(b);
  give_end(b, CPX_EEOF, "h:1: reset");
  turn(b);
  CHECK_INT(b->how.err, 0);
  CHECK(b->how.complete);
  CHECK_INT(b->ex.ends, 1);
  bed_free(b);
}

static void a_slow_client_pauses_the_source(void) {
  bed *b = ready_stream(START DELTA);
  relay(b);
  b->ex.pending = CPX_CONN_OUT_HIGH;
  give(b, DELTA);
  CHECK_INT(b->source.pauses, 1);
  turn(b);
  turn(b);
  CHECK_INT(b->source.resumes, 0);
  b->ex.pending = 0;
  b->ex.events.on_drain(b->ex.user);
  CHECK_INT(b->source.resumes, 1);
  bed_free(b);
}

static void bytes_that_leave_at_once_resume_without_a_drain(void) {
  bed *b = ready_stream(START DELTA);
  relay(b);
  b->ex.pending = CPX_CONN_OUT_HIGH;
  give(b, DELTA);
  b->ex.pending = 0; /* the turn's flush took all */
  for (int i = 0; i < 3; i++) turn(b);
  CHECK_INT(b->source.resumes, 1);
  bed_free(b);
}

static void a_client_that_leaves_cancels_the_upstream_at_once(void) {
  bed *b = ready_stream(START DELTA);
  relay(b);
  b->ex.gone = true;
  give(b, DELTA);
  b->ex.events.on_gone(b->ex.user);
  CHECK_INT(b->source.cancels, 1);
  turn(b);
  CHECK_INT(b->relays, 1);
  CHECK_INT(b->how.err, CPX_ECANCELLED);
  CHECK(b->how.client_gone && !b->how.complete);
  CHECK_INT(b->ex.ends, 0);
  bed_free(b);
}

static void a_client_that_leaves_after_the_last_event_has_it_all(void) {
  bed *b = ready_stream(START DELTA);
  relay(b);
  give(b, STOP);
  b->ex.gone = true;
  b->ex.events.on_gone(b->ex.user);
  CHECK_INT(b->source.cancels, 1);
  turn(b);
  CHECK_INT(b->how.err, 0);
  CHECK(b->how.client_gone && b->how.complete);
  bed_free(b);
}

static void a_client_gone_before_the_relay_is_noticed(void) {
  bed *b = ready_stream(START DELTA);
  b->ex.gone = true;
  relay(b);
  turn(b);
  CHECK_INT(b->relays, 1);
  CHECK_INT(b->how.err, CPX_ECANCELLED);
  CHECK_INT(b->source.cancels, 1);
  bed_free(b);
}

static void the_watcher_before_gets_its_place_back(void) {
  bed *b = ready_stream(START DELTA STOP);
  cpx_exchange_events mine = {on_event, on_event};
  cpx_exchange_watch(&b->ex, &mine, b);
  relay(b);
  CHECK(b->ex.user != b);
  give_end(b, 0, "");
  turn(b);
  CHECK(b->ex.user == b && b->ex.events.on_gone == on_event);
  bed_free(b);
}

static void a_failed_write_ends_the_relay(void) {
  bed *b = ready_stream(START DELTA);
  relay(b);
  b->ex.write_err = CPX_ETOOBIG;
  give(b, DELTA);
  turn(b);
  CHECK_INT(b->relays, 1);
  CHECK_INT(b->how.err, CPX_ETOOBIG);
  CHECK_INT(b->source.cancels, 1);
  bed_free(b);
}

static void an_event_without_end_breaks_the_relay(void) {
  bed *b = ready_stream(DELTA);
  size_t n = 4 << 20;
  char *junk = malloc(n);
  memset(junk, 'a', n);
  memcpy(junk, "data: ", 6);
  relay(b);
  for (int i = 0; i < 9 && !b->relays; i++) {
    if (!b->source.cancels) b->source.source.sink->on_data(b->source.source.user, junk, n);
    turn(b);
  }
  CHECK_INT(b->how.err, CPX_ETOOBIG);
  CHECK_HAS(b->text, "larger than 32 MB");
  free(junk);
  bed_free(b);
}

static void freeing_in_mid_relay_gives_everything_back(void) {
  bed *b = ready_stream(START DELTA);
  relay(b);
  give(b, DELTA);
  cpx_reply_free(b->reply);
  b->reply = NULL;
  turn(b);
  CHECK_INT(b->relays, 0);
  bed_free(b);
}

static void a_whole_answer_is_relayed_and_tapped(void) {
  bed *b = bed_new(CPX_DIALECT_OPENAI_CHAT, false);
  give_head(b, 200, "application/json");
  give(b, "{\"model\":\"m\",\"choices\":[{\"finish_reason\":\"stop\"}],");
  turn(b);
  CHECK_INT(b->readies, 1);
  relay(b);
  give(b, "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}");
  give_end(b, 0, "");
  turn(b);
  CHECK(b->how.complete);
  cpx_buf storage;
  cpx_tapped t;
  cpx_buf_init(&storage, 1 << 20);
  CHECK_INT(cpx_tap_read(cpx_reply_tap(b->reply), &storage, &t), 0);
  CHECK_INT(t.usage.input, 3);
  CHECK_INT(t.usage.output, 4);
  CHECK_SLICE(t.model, "m");
  cpx_buf_deinit(&storage);
  bed_free(b);
}

static void an_encoded_answer_passes_unread(void) {
  bed *b = bed_new(CPX_DIALECT_OPENAI_CHAT, true);
  cpx_header headers[2] = {{CPX_SLICE("content-type"), CPX_SLICE(SSE)},
                           {CPX_SLICE("content-encoding"), CPX_SLICE("gzip")}};
  cpx_head head = {200, headers, 2, -1};
  b->source.source.sink->on_head(b->source.source.user, &head);
  give(b, "\x1f\x8b!");
  turn(b);
  CHECK_INT(b->readies, 1);
  relay(b);
  give_end(b, 0, "");
  turn(b);
  CHECK(b->how.complete);
  check_written(b, "\x1f\x8b!");
  bed_free(b);
}

/* -- Pulling. */

static int next(bed *b, cpx_event *e) {
  return cpx_reply_next_event(b->reply, e, on_event, b);
}

static void events_are_pulled_from_the_first_on(void) {
  bed *b = ready_stream(": c\n\n" START DELTA "event: me");
  cpx_event e;
  CHECK_INT(next(b, &e), 0);
  CHECK_SLICE(e.raw, ": c\n\n");
  CHECK(!e.has_data);
  CHECK_INT(next(b, &e), 0);
  CHECK_SLICE(e.raw, START);
  CHECK_INT(next(b, &e), 0);
  CHECK_SLICE(e.type, "content_block_delta");
  CHECK_INT(next(b, &e), CPX_EAGAIN);
  turn(b);
  CHECK_INT(b->events, 0);
  give(b, "ssage_stop\ndata: one\ndata: two\n\n");
  CHECK_INT(b->events, 0);
  turn(b);
  CHECK_INT(b->events, 1);
  CHECK_INT(next(b, &e), 0);
  CHECK_SLICE(e.data, "one\ntwo");
  CHECK_SLICE(e.type, "message_stop");
  CHECK_INT(next(b, &e), CPX_EAGAIN);
  give_end(b, 0, "");
  turn(b);
  CHECK_INT(b->events, 2);
  CHECK_INT(next(b, &e), CPX_EEOF);
  CHECK_INT(next(b, &e), CPX_EEOF);
  CHECK_INT(cpx_reply_tap(b->reply)->events, 3);
  bed_free(b);
}

static void a_failure_comes_behind_the_events_before_it(void) {
  bed *b = ready_stream(DELTA DELTA);
  cpx_event e;
  give_end(b, CPX_EEOF, "gone");
  CHECK_INT(next(b, &e), 0);
  CHECK_INT(next(b, &e), 0);
  CHECK_INT(next(b, &e), CPX_EEOF);
  CHECK_INT(cpx_reply_end_of(b->reply)->err, CPX_EEOF);
  bed_free(b);
}

static void waiting_events_are_bounded(void) {
  bed *b = ready_stream(DELTA);
  cpx_event e;
  CHECK_INT(next(b, &e), 0);
  int given = 0;
  while (b->source.pauses == 0 && given < 10000) give(b, DELTA), given++;
  CHECK(given * strlen(DELTA) < 2 * CPX_REPLY_QUEUE);
  int pulled = 0;
  while (next(b, &e) == 0) pulled++;
  CHECK_INT(pulled, given);
  CHECK_INT(b->source.resumes, 1);
  bed_free(b);
}

/* Pulls all that is there, and frees the reply; whether its source lingers. */
static bool freed_behind(const char *bytes) {
  bed *b = ready_stream(bytes);
  cpx_event e;
  while (next(b, &e) == 0) {
  }
  cpx_reply_free(b->reply);
  b->reply = NULL;
  bool lingers = b->source.lingers == 1;
  CHECK_INT(b->source.cancels, 0);
  bed_free(b);
  return lingers;
}

static void only_behind_the_last_event_the_source_lingers(void) {
  CHECK(freed_behind(START DELTA STOP));
  CHECK(freed_behind(START DELTA STOP PING));
  CHECK(!freed_behind(START DELTA));
  CHECK(!freed_behind(START ERROR));
}

static void a_source_that_ended_or_was_not_pulled_does_not_linger(void) {
  for (int pulled = 0; pulled < 2; pulled++) {
    bed *b = ready_stream(START DELTA STOP);
    cpx_event e;
    if (pulled) {
      CHECK_INT(next(b, &e), 0);
      give_end(b, 0, "");
    }
    cpx_reply_free(b->reply);
    b->reply = NULL;
    CHECK_INT(b->source.lingers, 0);
    bed_free(b);
  }
}

/* -- Collecting. */

static void a_body_is_collected_whole(void) {
  bed *b = bed_new(CPX_DIALECT_OPENAI_CHAT, false);
  give_head(b, 200, "application/json");
  give(b, "{\"usage\":{\"prompt_tokens\":5}");
  turn(b);
  CHECK_INT(cpx_reply_collect(b->reply, 100, on_body, b), 0);
  give(b, "}");
  give_end(b, 0, "");
  CHECK_INT(b->bodies, 0);
  turn(b);
  CHECK_INT(b->bodies, 1);
  CHECK_INT(b->body_err, 0);
  CHECK_BYTES(b->body.data, b->body.len, "{\"usage\":{\"prompt_tokens\":5}}", 29);
  CHECK_INT(cpx_reply_tap(b->reply)->facts.figures[CPX_TAP_INPUT], 5);
  bed_free(b);
}

static void a_body_past_its_limit_is_refused(void) {
  for (int late = 0; late < 2; late++) {
    bed *b = bed_new(CPX_DIALECT_OPENAI_CHAT, false);
    give_head(b, 200, "application/json");
    give(b, "0123456789");
    if (!late) give_end(b, 0, "");
    turn(b);
    CHECK_INT(cpx_reply_collect(b->reply, late ? 15 : 9, on_body, b), 0);
    if (late) give(b, "0123456789");
    turn(b);
    CHECK_INT(b->bodies, 1);
    CHECK_INT(b->body_err, CPX_ETOOBIG);
    CHECK_INT(b->source.cancels, late);
    bed_free(b);
  }
}

static void a_cut_body_is_an_error(void) {
  bed *b = bed_new(CPX_DIALECT_OPENAI_CHAT, false);
  give_head(b, 200, "application/json");
  give(b, "{");
  turn(b);
  CHECK_INT(cpx_reply_collect(b->reply, 100, on_body, b), 0);
  give_end(b, CPX_EEOF, "cut");
  turn(b);
  CHECK_INT(b->body_err, CPX_EEOF);
  bed_free(b);
}

static void one_way_excludes_the_others(void) {
  bed *b = ready_stream(DELTA);
  cpx_event e;
  CHECK_INT(next(b, &e), 0);
  CHECK_INT(cpx_reply_relay(b->reply, &b->ex, on_relayed, b), CPX_EINVAL);
  CHECK_INT(cpx_reply_collect(b->reply, 10, on_body, b), CPX_EINVAL);
  bed_free(b);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(a_stream_waits_for_the_event_that_commits);
  RUN(an_error_before_the_first_text_is_the_first_event);
  RUN(peeking_is_bounded_and_pauses_the_source);
  RUN(pings_alone_are_given_up_after_the_first_byte_time);
  RUN(a_stream_that_ends_early_is_ready_at_its_end);
  RUN(a_failed_call_is_a_reply_without_status);
  RUN(a_failed_status_waits_for_its_body);
  RUN(a_large_failed_body_is_cut_at_its_bound);
  RUN(the_content_type_says_what_is_a_stream);
  RUN(freeing_inside_on_ready_is_allowed);
  RUN(a_relay_passes_every_byte);
  RUN(a_stream_that_was_over_before_the_relay_is_relayed_whole);
  RUN(a_stream_without_its_last_event_is_not_complete);
  RUN(a_broken_source_leaves_the_exchange_open);
  RUN(what_breaks_behind_the_last_event_breaks_nothing);
  RUN(a_slow_client_pauses_the_source);
  RUN(bytes_that_leave_at_once_resume_without_a_drain);
  RUN(a_client_that_leaves_cancels_the_upstream_at_once);
  RUN(a_client_that_leaves_after_the_last_event_has_it_all);
  RUN(a_client_gone_before_the_relay_is_noticed);
  RUN(the_watcher_before_gets_its_place_back);
  RUN(a_failed_write_ends_the_relay);
  RUN(an_event_without_end_breaks_the_relay);
  RUN(freeing_in_mid_relay_gives_everything_back);
  RUN(a_whole_answer_is_relayed_and_tapped);
  RUN(an_encoded_answer_passes_unread);
  RUN(events_are_pulled_from_the_first_on);
  RUN(a_failure_comes_behind_the_events_before_it);
  RUN(waiting_events_are_bounded);
  RUN(only_behind_the_last_event_the_source_lingers);
  RUN(a_source_that_ended_or_was_not_pulled_does_not_linger);
  RUN(a_body_is_collected_whole);
  RUN(a_body_past_its_limit_is_refused);
  RUN(a_cut_body_is_an_error);
  RUN(one_way_excludes_the_others);
  return ct_summary();
}
