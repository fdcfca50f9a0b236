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

static cpx_event event_of(const char *type, const char *data) {
  return (cpx_event){
      .raw = cpx_slice_str(data), .type = cpx_slice_str(type), .data = cpx_slice_str(data), .has_data = true};
}

static void what_commits_a_stream(void) {
  static const struct {
    enum cpx_dialect dialect;
    const char *type, *data;
    bool commits;
  } rows[] = {
      {CPX_DIALECT_ANTHROPIC, "message_start", "{\"type\":\"message_start\"}", false},
      {CPX_DIALECT_ANTHROPIC, "", "{\"type\": \"message_start\"}", false},
      {CPX_DIALECT_ANTHROPIC, "ping", "{\"type\": \"ping\"}", false},
      {CPX_DIALECT_ANTHROPIC, "error", "{\"type\":\"error\"}", true},
      {CPX_DIALECT_ANTHROPIC, "content_block_start", "{}", true},
      {CPX_DIALECT_OPENAI_RESPONSES, "response.created", "{}", false},
      {CPX_DIALECT_OPENAI_RESPONSES, "response.queued", "{}", false},
      {CPX_DIALECT_OPENAI_RESPONSES, "response.in_progress", "{}", false},
      {CPX_DIALECT_OPENAI_RESPONSES, "", "{\"type\":\"keepalive\"}", false},
      {CPX_DIALECT_OPENAI_RESPONSES, "", "{\"type\":\"response.created\",", false},
      {CPX_DIALECT_OPENAI_RESPONSES, "response.output_item.added", "{}", true},
      {CPX_DIALECT_OPENAI_RESPONSES, "error", "{}", true},
      {CPX_DIALECT_OPENAI_CHAT, "", "{\"choices\":[],\"prompt_filter_results\":[]}", false},
      {CPX_DIALECT_OPENAI_CHAT, "", "{\"choices\":[{}]}", true},
      {CPX_DIALECT_OPENAI_CHAT, "", "[DONE]", true},
      {CPX_DIALECT_OPENAI_CHAT, "", "", false},
      {CPX_DIALECT_GEMINI, "", "{\"candidates\":[]}", true},
      {CPX_DIALECT_OTHER, "ping", "x", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cpx_tap tap;
    cpx_event e = event_of(rows[i].type, rows[i].data);
    cpx_tap_init(&tap, rows[i].dialect, true);
    EXPECT(cpx_tap_commits(&tap, &e) == rows[i].commits, "row %zu: %s %s", i, rows[i].type, rows[i].data);
    cpx_tap_deinit(&tap);
  }
  cpx_tap tap;
  cpx_event comment = {.raw = CPX_SLICE(": ping\n\n")}, bare = {.raw = CPX_SLICE("{\n  \"error\": {}\n}\n\n")};
  cpx_tap_init(&tap, CPX_DIALECT_GEMINI, true);
  CHECK(!cpx_tap_commits(&tap, &comment));
  CHECK(cpx_tap_commits(&tap, &bare));
  cpx_tap_deinit(&tap);
}

/* Streams by hand: what they tell, and whether they ended. */
static void hand_made_streams_end_as_their_dialect_says(void) {
  static const struct {
    enum cpx_dialect dialect;
    const char *stream;
    bool terminal, error;
    int input, output;
    const char *stop, *message, *code;
  } rows[] = {
      {CPX_DIALECT_OPENAI_CHAT, "data: {\"choices\":[{\"delta\":{}}]}\n\n", false, false, -1, -1, "", "", ""},
      {CPX_DIALECT_OPENAI_CHAT, "data: {\"choices\":[{\"finish_reason\":null}]}\n\ndata: [DONE]\n\n", true, false, -1,
       -1, "", "", ""},
      {CPX_DIALECT_OPENAI_CHAT,
       "data: {\"choices\":[{\"finish_reason\": "
       "\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
       true, false, 1, 2, "stop", "", ""},
      /* The words of a tool call are no facts about the answer. */
      {CPX_DIALECT_OPENAI_CHAT,
       "data: "
       "{\"choices\":[{\"delta\":{\"content\":\"\\\"finish_reason\\\":\\\"stop\\\"\"},\"finish_reason\":null}]}\n\n",
       false, false, -1, -1, "", "", ""},
      {CPX_DIALECT_OPENAI_CHAT,
       "data: {\"error\":{\"message\":\"no \\u00fc\\\"\\n\",\"code\":null,\"type\":\"server\"}}\n\n", false, true, -1,
       -1, "", "no \xc3\xbc\"\n", "server"},
      {CPX_DIALECT_OPENAI_RESPONSES,
       "data: "
       "{\"type\":\"response.completed\",\"response\":{\"tools\":[{\"usage\":{\"input_tokens\":9}}],\"status\":"
       "\"completed\","
       "\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}}\n\n",
       true, false, 3, 4, "completed", "", ""},
      {CPX_DIALECT_OPENAI_RESPONSES,
       "event: error\ndata: {\"type\":\"error\",\"code\":\"c\",\"message\":\"flat\",\"param\":null}\n\n", false, true,
       -1, -1, "", "flat", "c"},
      {CPX_DIALECT_ANTHROPIC, "data: {\"type\":\"message_stop\"}\n\n", true, false, -1, -1, "", "", ""},
      {CPX_DIALECT_ANTHROPIC, "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":5}}\n\n", false, false,
       -1, 5, "", "", ""},
      {CPX_DIALECT_GEMINI,
       "data: {\"candidates\":[{\"content\":{}}],\"usageMetadata\":{\"promptTokenCount\":\"12\"}}\r\n\r\n", true, false,
       12, -1, "", "", ""},
      {CPX_DIALECT_GEMINI, "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\r\n\r\n", true, false, -1, -1,
       "SAFETY", "", ""},
      {CPX_DIALECT_GEMINI, "data: {\"usageMetadata\":{\"promptTokenCount\":1}}\r\n\r\n", false, false, 1, -1, "", "",
       ""},
      {CPX_DIALECT_GEMINI,
       "data: {\"candidates\":[{}]}\r\n\r\n{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"busy\",\n    "
       "\"status\": "
       "\"UNAVAILABLE\"\n  }\n}\n",
       false, true, -1, -1, "", "busy", "UNAVAILABLE"},
      {CPX_DIALECT_GEMINI, "data: [{\"error\":{\"code\":429,\"message\":\"m\"}}]\r\n\r\n", false, true, -1, -1, "", "m",
       "429"},
      {CPX_DIALECT_OTHER, "data: x\n\n", true, false, -1, -1, "", "", ""},
      {CPX_DIALECT_OPENAI_CHAT, "", false, false, -1, -1, "", "", ""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cpx_tap tap;
    cpx_buf storage;
    tap_stream(&tap, rows[i].dialect, cpx_slice_str(rows[i].stream), 0);
    cpx_tapped t = read_tap(&tap, &storage);
    EXPECT(tap.terminal == rows[i].terminal && tap.error == rows[i].error, "row %zu: terminal %d error %d", i,
           tap.terminal, tap.error);
    EXPECT(t.usage.input == rows[i].input && t.usage.output == rows[i].output, "row %zu: %lld %lld", i,
           (long long)t.usage.input, (long long)t.usage.output);
    EXPECT(cpx_slice_eq(t.stop, cpx_slice_str(rows[i].stop)), "row %zu: stop %.*s", i, (int)t.stop.n, t.stop.p);
    EXPECT(cpx_slice_eq(t.error_message, cpx_slice_str(rows[i].message)), "row %zu: message %.*s", i,
           (int)t.error_message.n, t.error_message.p);
    EXPECT(cpx_slice_eq(t.error_code, cpx_slice_str(rows[i].code)), "row %zu: code %.*s", i, (int)t.error_code.n,
           t.error_code.p);
    cpx_buf_deinit(&storage);
    cpx_tap_deinit(&tap);
  }
}

static void figures_are_normalised(void) {
  static const char anthropic[] = "{\"usage\":{\"input_tokens\":1,\"cache_creation_input_tokens\":10,"
                                  "\"cache_read_input_tokens\":100,\"output_tokens\":7}}";
  static const char gemini[] = "{\"usageMetadata\":{\"promptTokenCount\":10,\"toolUsePromptTokenCount\":5,"
                               "\"cachedContentTokenCount\":4,\"thoughtsTokenCount\":30,\"candidatesTokenCount\":3}}";
  cpx_tap tap;
  cpx_buf storage;
  cpx_tap_init(&tap, CPX_DIALECT_ANTHROPIC, false);
  cpx_tap_body(&tap, cpx_slice_str(anthropic));
  cpx_tapped t = read_tap(&tap, &storage);
  CHECK_INT(t.usage.input, 111);
  CHECK_INT(t.usage.cached, 100);
  CHECK_INT(t.usage.cache_written, 10);
  CHECK_INT(t.usage.output, 7);
  cpx_buf_deinit(&storage);
  cpx_tap_deinit(&tap);
  cpx_tap_init(&tap, CPX_DIALECT_GEMINI, false);
  cpx_tap_body(&tap, cpx_slice_str(gemini));
  t = read_tap(&tap, &storage);
  CHECK_INT(t.usage.input, 15);
  CHECK_INT(t.usage.output, 33);
  CHECK_INT(t.usage.reasoning, 30);
  CHECK_INT(t.usage.cached, 4);
  cpx_buf_deinit(&storage);
  cpx_tap_deinit(&tap);
}

static void the_usage_of_a_huge_body_is_read_from_its_end(void) {
  cpx_tap tap;
  cpx_buf storage;
  char piece[4096];
  memset(piece, 'x', sizeof piece);
  cpx_tap_init(&tap, CPX_DIALECT_OPENAI_CHAT, false);
  cpx_tap_feed(&tap, CPX_SLICE("{\"id\":\"c1\",\"model\":\"m\",\"data\":\""));
  for (int i = 0; i < 1000; i++) cpx_tap_feed(&tap, (cpx_slice){piece, sizeof piece});
  cpx_tap_feed(&tap, CPX_SLICE("\",\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":9}}"));
  CHECK(tap.last.cap <= CPX_MB && tap.tail.cap <= 128 * CPX_KB);
  cpx_tap_end(&tap, true);
  CHECK_INT(tap.last.cap, 0);
  cpx_tapped t = read_tap(&tap, &storage);
  CHECK_SLICE(t.model, "m");
  CHECK_INT(t.usage.input, 8);
  CHECK_INT(t.usage.output, 9);
  cpx_buf_deinit(&storage);
  cpx_tap_deinit(&tap);
}

static void damaged_json_of_any_kind_does_no_harm(void) {
  static const char good[] =
      "[{\"id\":\"a\\u00e9\\ud83d\\ude00\",\"choices\":[{\"a\":[1,{\"b\":null}],\"finish_reason\":\"stop\"}],"
      "\"usage\":{\"prompt_tokens\":12,\"prompt_tokens_details\":{\"cached_tokens\":3}},\"error\":{\"message\":"
      "\"\\u12\\\\\",\"code\":-4.5e3}}]";
  unsigned seed = 7;
  for (int round = 0; round < 20000; round++) {
    char bytes[sizeof good];
    size_t n = round < (int)sizeof good ? (size_t)round : sizeof good - 1;
    memcpy(bytes, good, sizeof good);
    if (round >= (int)sizeof good)
      for (int i = 0; i < 3; i++) bytes[next_random(&seed) % n] = "{}[]\",:\\0a\x01 "[next_random(&seed) % 12];
    char *exact = malloc(n + 1); /* so that a sanitizer sees a read past the end */
    memcpy(exact, bytes, n);
    char *shrunk = realloc(exact, n ? n : 1);
    cpx_tap tap;
    cpx_buf storage;
    cpx_tap_init(&tap, (enum cpx_dialect)(1 + round % 4), false);
    cpx_tap_body(&tap, (cpx_slice){shrunk, n});
    read_tap(&tap, &storage);
    cpx_buf_deinit(&storage);
    cpx_tap_deinit(&tap);
    free(shrunk);
  }
}

static void reading_in_mid_stream_shows_what_is_known(void) {
  cpx_tap tap;
  cpx_buf storage;
  cpx_event e = event_of("", "{\"candidates\":[{}],\"usageMetadata\":{\"promptTokenCount\":4}}");
  cpx_tap_init(&tap, CPX_DIALECT_GEMINI, true);
  cpx_tap_event(&tap, &e);
  cpx_tapped t = read_tap(&tap, &storage);
  CHECK_INT(t.usage.input, 4);
  CHECK(!tap.terminal);
  cpx_buf_deinit(&storage);
  cpx_tap_deinit(&tap);
}

static void an_event_costs_little(void) {
  static const struct {
    const char *name;
    enum cpx_dialect dialect;
    const char *type, *data;
  } rows[] = {
      {"chat", CPX_DIALECT_OPENAI_CHAT, "",
       "{\"id\":\"chatcmpl-CnMM0oFYQitzT43PYAvCrmNt6GIKs\",\"object\":\"chat.completion.chunk\",\"created\":1765880036,"
       "\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_644f11dd4d\","
       "\"choices\":"
       "[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}"},
      {"responses", CPX_DIALECT_OPENAI_RESPONSES, "response.output_text.delta",
       "{\"type\":\"response.output_text.delta\",\"delta\":\"x\"}"},
      {"anthropic", CPX_DIALECT_ANTHROPIC, "content_block_delta",
       "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Here\"}}"},
      {"gemini", CPX_DIALECT_GEMINI, "",
       "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \" capital of France\"}],\"role\": "
       "\"model\"}}],\"usageMetadata\":"
       " {\"promptTokenCount\": 8,\"totalTokenCount\": 8,\"promptTokensDetails\": [{\"modality\": "
       "\"TEXT\",\"tokenCount\": "
       "8}]},\"modelVersion\": \"gemini-2.0-flash-001\",\"responseId\": \"_qTiaLjwK6vpgbUP2uvA-QU\"}"},
  };
  enum { ROUNDS = 200000 };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cpx_tap tap;
    struct timespec a, z;
    cpx_event e = event_of(rows[i].type, rows[i].data);
    cpx_tap_init(&tap, rows[i].dialect, true);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (int n = 0; n < ROUNDS; n++) cpx_tap_event(&tap, &e);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &z);
    double ns = ((double)(z.tv_sec - a.tv_sec) * 1e9 + (double)(z.tv_nsec - a.tv_nsec)) / ROUNDS;
    printf("  %s: %.0f ns an event of %zu bytes\n", rows[i].name, ns, e.data.n);
#ifndef CPX_SANITIZE
    CHECK(ns < 1000); /* some ten times what it takes here */
#endif
    cpx_tap_deinit(&tap);
  }
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(what_commits_a_stream);
  RUN(hand_made_streams_end_as_their_dialect_says);
  RUN(figures_are_normalised);
  RUN(the_usage_of_a_huge_body_is_read_from_its_end);
  RUN(damaged_json_of_any_kind_does_no_harm);
  RUN(reading_in_mid_stream_shows_what_is_known);
  RUN(an_event_costs_little);
  RUN(recordings_are_read_however_they_are_cut);
  return ct_summary();
}
