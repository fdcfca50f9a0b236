/* sse_fuzz.c - any bytes as any framing: cut in any way, and stopped at any event, a stream gives the same events, and
 * their raws joined are the stream.
 */
#include "http/framing.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define EVENT_MAX 256

#define REQUIRE(condition)                                                                                             \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "not true: %s (line %d)\n", #condition, __LINE__);                                               \
      abort();                                                                                                         \
    }                                                                                                                  \
  } while (0)

typedef struct seen {
  cpx_buf text, raws;
  size_t events;
  unsigned stop; /* every nth event; 0: never */
} seen;

static void put(cpx_buf *b, cpx_slice s) {
  REQUIRE(cpx_buf_add(b, &s.n, sizeof(s.n)) == 0);
  REQUIRE(cpx_buf_add_slice(b, s) == 0);
}

static int on_event(void *user, const cpx_event *event) {
  seen *all = user;
  REQUIRE(event->raw.n > 0 && event->raw.n <= EVENT_MAX);
  REQUIRE(event->data.n <= event->raw.n && event->type.n <= event->raw.n);
  put(&all->text, event->raw);
  put(&all->text, event->type);
  put(&all->text, event->data);
  REQUIRE(cpx_buf_add(&all->text, event->has_data ? "+" : "-", 1) == 0);
  REQUIRE(cpx_buf_add_slice(&all->raws, event->raw) == 0);
  all->events++;
  return all->stop && all->events % all->stop == 0;
}

static int run(enum cpx_framing framing, const uint8_t *bytes, size_t n, uint32_t seed, unsigned stop, seen *all) {
  cpx_splitter s;
  cpx_splitter_init(&s, framing, EVENT_MAX);
  *all = (seen){.stop = stop};
  cpx_buf_init(&all->text, SIZE_MAX);
  cpx_buf_init(&all->raws, SIZE_MAX);
  int err = 0;
  for (size_t at = 0; at < n && !err;) {
    seed = seed * 1664525u + 1013904223u;
    size_t piece = stop ? 1 + (seed >> 16) % 40 : n;
    if (piece > n - at) piece = n - at;
    char *copy = malloc(piece);
    memcpy(copy, bytes + at, piece);
    err = cpx_splitter_feed(&s, copy, piece, on_event, all);
    free(copy);
    at += piece;
  }
  for (size_t before = SIZE_MAX; !err && before != all->events;) {
    before = all->events;
    err = cpx_splitter_finish(&s, on_event, all);
  }
  cpx_splitter_deinit(&s);
  return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  uint32_t seed = (uint32_t)(data[0] << 8 | data[1]);
  for (int framing = CPX_FRAMING_SSE; framing <= CPX_FRAMING_JSON_ARRAY; framing++) {
    seen whole, cut;
    int want = run((enum cpx_framing)framing, data + 2, size - 2, 0, 0, &whole);
    int got = run((enum cpx_framing)framing, data + 2, size - 2, seed, 1 + seed % 5, &cut);
    REQUIRE(got == want);
    REQUIRE(cpx_slice_eq(cpx_buf_slice(&whole.text), cpx_buf_slice(&cut.text)));
    if (!want) REQUIRE(cpx_slice_eq(cpx_buf_slice(&whole.raws), cpx_slice_of((const char *)data + 2, size - 2)));
    cpx_buf_deinit(&whole.text);
    cpx_buf_deinit(&whole.raws);
    cpx_buf_deinit(&cut.text);
    cpx_buf_deinit(&cut.raws);
  }
  return 0;
}
