/* mock_plan.h: what the mock upstream does with one request, and the bytes it makes up.
 *
 * A plan is written as "key=value,key=value" and found, first match wins, in the request's `idempotency-key: mock:PLAN`
 * header, in a path segment "/~PLAN/", or in a model named "mock-PLAN". See bench/README.md for the keys.
 *
 * Owns:    nothing but what mock_bytes holds. Errors: an unknown key makes the plan's `bad` true: the mock answers 599.
 */
#ifndef BENCH_MOCK_PLAN_H
#define BENCH_MOCK_PLAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mock_dialect { MOCK_CHAT, MOCK_RESPONSES, MOCK_ANTHROPIC, MOCK_GEMINI };

struct mock_plan {
  enum mock_dialect dialect;
  bool stream; /* the request asks for one */
  bool bad;
  int status;
  long events;  /* content events of a stream */
  long size;    /* bytes of text in each event, or in the answer */
  long pace_us; /* between events; 0: all at once */
  long delay_ms;
  long split; /* bytes a write; 0: whole; -1: random */
  long seed;
  long cut;   /* bytes of body after which the connection ends; -1: never */
  bool reset; /* … with a reset */
  bool never, html, empty, plain_close, echo, hash, garbage, lie, pings, error_event;
  long big; /* bytes of one over-long event in place of the others */
  char file[512], type[128], retry_after[32];
};

struct mock_bytes {
  char *data;
  size_t length, room;
};
void mock_add(struct mock_bytes *bytes, const void *data, size_t length);
void mock_printf(struct mock_bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `head` is the request head with its end, `body` what follows. */
void mock_plan_read(struct mock_plan *plan, const char *head, size_t head_length, const char *body, size_t body_length);

/* Parts of a stream in the plan's dialect. `stamp`: ns, put into the event so that the reader can tell its age. */
void mock_stream_start(const struct mock_plan *plan, struct mock_bytes *out);
void mock_stream_event(const struct mock_plan *plan, struct mock_bytes *out, long index, uint64_t stamp);
void mock_stream_end(const struct mock_plan *plan, struct mock_bytes *out);
/* A whole answer; of an error status its envelope. */
void mock_whole(const struct mock_plan *plan, struct mock_bytes *out);
#endif
