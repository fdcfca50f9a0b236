/* tap_test.c - usage, stop reasons, errors and proper ends, read from recorded and from nasty answers. */
#include "http/tap.h"

#include "base/limits.h"
#include "check.h"

#include <time.h>

#define FIXTURES "../shared/fixtures/"

static int to_tap(void *user, const cpx_event *event) {
  cpx_tap_event(user, event);
  return 0;
}

/* Feeds a stream in pieces of `step` bytes (0: all at once). */
static void tap_stream(cpx_tap *tap, enum cpx_dialect dialect, cpx_slice bytes, size_t step) {
  cpx_splitter s;
  cpx_splitter_init(&s, CPX_FRAMING_SSE, CPX_EVENT_MAX);
  cpx_tap_init(tap, dialect, true);
  for (size_t at = 0; at < bytes.n; at += step) {
    if (step == 0 || step > bytes.n - at) step = bytes.n - at;
    CHECK_INT(cpx_splitter_feed(&s, bytes.p + at, step, to_tap, tap), 0);
  }
  CHECK_INT(cpx_splitter_finish(&s, to_tap, tap), 0);
  cpx_tap_end(tap, true);
  cpx_splitter_deinit(&s);
}

static cpx_tapped read_tap(const cpx_tap *tap, cpx_buf *storage) {
  cpx_tapped out = {.usage = {-9, -9, -9, -9, -9}};
  cpx_buf_init(storage, 1 << 20);
  CHECK_INT(cpx_tap_read(tap, storage, &out), 0);
  return out;
}

static bool read_file(const char *path, cpx_buf *out) {
  char piece[65536];
  size_t n;
  FILE *f = fopen(path, "rb");
  if (!f) return false;
  cpx_buf_init(out, 1 << 26);
  while ((n = fread(piece, 1, sizeof piece, f)) > 0)
    if (cpx_buf_add(out, piece, n)) abort();
  fclose(f);
  return true;
}

/* What the recordings hold, counted by hand and by another program. */
typedef struct recorded {
  const char *folder, *name;
  bool stream;
  int input, output, cached, written, reasoning;
  const char *stop;
} recorded;

static const recorded table[] = {
#include "tap_recorded.h"
};

static enum cpx_dialect dialect_of(const char *folder) {
  if (strcmp(folder, "openai-chat") == 0) return CPX_DIALECT_OPENAI_CHAT;
  if (strcmp(folder, "openai-responses") == 0) return CPX_DIALECT_OPENAI_RESPONSES;
  return strcmp(folder, "gemini") == 0 ? CPX_DIALECT_GEMINI : CPX_DIALECT_ANTHROPIC;
}

static void compare(const recorded *r, const cpx_tap *tap, const char *how) {
  cpx_buf storage;
  cpx_tapped t = read_tap(tap, &storage);
  if (t.usage.input != r->input || t.usage.output != r->output || t.usage.cached != r->cached ||
      t.usage.cache_written != r->written || t.usage.reasoning != r->reasoning)
    CT_FAIL("%s/%s %s: usage is %lld %lld %lld %lld %lld", r->folder, r->name, how, (long long)t.usage.input,
            (long long)t.usage.output, (long long)t.usage.cached, (long long)t.usage.cache_written,
            (long long)t.usage.reasoning);
  if (!cpx_slice_eq(t.stop, cpx_slice_str(r->stop)))
    CT_FAIL("%s/%s %s: stop is %.*s", r->folder, r->name, how, (int)t.stop.n, t.stop.p);
  cpx_buf_deinit(&storage);
}

static bool is_broken(const char *name) {
  return strstr(name, "error") || strstr(name, "malformed") || strstr(name, "failed");
}

static void check_stream(const recorded *r, cpx_slice bytes, size_t step, const char *how) {
  cpx_tap tap;
  tap_stream(&tap, dialect_of(r->folder), bytes, step);
  compare(r, &tap, how);
  CHECK(tap.events > 0);
  if (!tap.terminal && !is_broken(r->name)) CT_FAIL("%s/%s %s: no proper end seen", r->folder, r->name, how);
  if (strstr(r->name, "error-midstream") || strstr(r->name, "midstream-error") || strstr(r->name, "failed-without"))
    EXPECT(tap.error, "%s/%s %s", r->folder, r->name, how);
  if (!is_broken(r->name)) EXPECT(!tap.error, "%s/%s %s", r->folder, r->name, how);
  cpx_tap_deinit(&tap);
}

static void recordings_are_read_however_they_are_cut(void) {
  int found = 0;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const recorded *r = &table[i];
    char path[300];
    cpx_buf bytes;
    snprintf(path, sizeof path, FIXTURES "%s/%s/response.%s", r->folder, r->name, r->stream ? "sse" : "json");
    if (!read_file(path, &bytes)) continue;
    found++;
    if (r->stream) {
      check_stream(r, cpx_buf_slice(&bytes), 0, "whole");
      check_stream(r, cpx_buf_slice(&bytes), 1, "byte by byte");
      check_stream(r, cpx_buf_slice(&bytes), 97, "in pieces of 97");
    } else {
      cpx_tap tap;
      cpx_tap_init(&tap, dialect_of(r->folder), false);
      cpx_tap_body(&tap, cpx_buf_slice(&bytes));
      compare(r, &tap, "body");
      CHECK(tap.terminal);
      cpx_tap_deinit(&tap);
    }
    cpx_buf_deinit(&bytes);
  }
  if (!found) SKIP("no recordings at " FIXTURES);
  CHECK_INT(found, sizeof table / sizeof *table);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(recordings_are_read_however_they_are_cut);
  return ct_summary();
}
