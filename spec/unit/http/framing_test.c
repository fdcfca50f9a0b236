/* Any cut of a stream gives the same events; what an event holds; bounds; stops. */
#include "http/framing.h"

#include "check.h"

#include <dirent.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#define MAX (1024 * 1024)

/* All events of a stream, written down so that two runs can be compared byte for byte. */
typedef struct seen {
  cpx_buf text, raws;
  size_t events, with_data;
  int stop_every; /* 0: never */
} seen;

static void put(cpx_buf *b, const void *bytes, size_t n) {
  EXPECT(cpx_buf_add(b, bytes, n) == 0, "no memory");
}

static void put_slice(cpx_buf *b, cpx_slice s) {
  size_t n = s.n;
  put(b, &n, sizeof(n));
  if (n) put(b, s.p, n);
}

static int on_event(void *user, const cpx_event *event) {
  seen *all = user;
  put_slice(&all->text, event->raw);
  put_slice(&all->text, event->type);
  put_slice(&all->text, event->data);
  put(&all->text, event->has_data ? "+" : "-", 1);
  put(&all->raws, event->raw.p, event->raw.n);
  all->events++;
  if (event->has_data) all->with_data++;
  EXPECT(event->raw.n > 0, "an event without bytes");
  return all->stop_every && all->events % (size_t)all->stop_every == 0;
}

static void seen_init(seen *all) {
  *all = (seen){0};
  cpx_buf_init(&all->text, SIZE_MAX);
  cpx_buf_init(&all->raws, SIZE_MAX);
}

static void seen_deinit(seen *all) {
  cpx_buf_deinit(&all->text);
  cpx_buf_deinit(&all->raws);
}

enum cut { WHOLE, BYTES, RANDOM, AT };

/* Feeds `in` in pieces and returns the first error. */
static int run(enum cpx_framing framing, size_t max, cpx_slice in, enum cut cut, unsigned n, int stop_every,
               seen *all) {
  cpx_splitter s;
  cpx_splitter_init(&s, framing, max);
  seen_init(all);
  all->stop_every = stop_every;
  int err = 0;
  for (size_t at = 0; at < in.n && !err;) {
    size_t piece = in.n - at;
    if (cut == BYTES) piece = 1;
    if (cut == RANDOM) piece = 1 + next_random(&n) % 700;
    if (cut == AT && at < n) piece = n - at;
    if (piece > in.n - at) piece = in.n - at;
    /* A copy of its own size, so that the sanitizer sees a read past the end. */
    char *copy = malloc(piece);
    memcpy(copy, in.p + at, piece);
    err = cpx_splitter_feed(&s, copy, piece, on_event, all);
    free(copy);
    at += piece;
  }
  size_t before;
  do {
    before = all->events;
    if (!err && stop_every) err = cpx_splitter_feed(&s, "", 0, on_event, all);
  } while (!err && all->events != before);
  if (!err) err = cpx_splitter_finish(&s, on_event, all);
  cpx_splitter_deinit(&s);
  return err;
}

static void same(const seen *a, const seen *b, const char *what, const char *how, unsigned n) {
  EXPECT(a->events == b->events, "%s, %s %u: %zu and %zu events", what, how, n, a->events, b->events);
  EXPECT(cpx_slice_eq(cpx_buf_slice(&a->text), cpx_buf_slice(&b->text)), "%s, %s %u: other events", what, how, n);
}

static void any_cut_is_the_same(enum cpx_framing framing, size_t max, cpx_slice in, const char *what) {
  seen whole, other;
  int want = run(framing, max, in, WHOLE, 0, 0, &whole);
  if (!want) {
    EXPECT(cpx_slice_eq(cpx_buf_slice(&whole.raws), in), "%s: the raws joined are not the stream", what);
  }
  int got = run(framing, max, in, BYTES, 0, 0, &other);
  EXPECT(got == want, "%s: byte by byte: code %d, want %d", what, got, want);
  same(&whole, &other, what, "byte by byte", 1);
  seen_deinit(&other);
  /* Every single cut of small streams, a sample of large ones. */
  size_t step = in.n > 8192 ? in.n / 64 : 1;
  for (size_t at = 1; at < in.n; at += step) {
    got = run(framing, max, in, AT, (unsigned)at, 0, &other);
    EXPECT(got == want, "%s: cut at %zu: code %d, want %d", what, at, got, want);
    same(&whole, &other, what, "cut at", (unsigned)at);
    seen_deinit(&other);
  }
  for (unsigned seed = 1; seed <= 8; seed++) {
    got = run(framing, max, in, RANDOM, seed, (int)(seed % 4), &other);
    EXPECT(got == want, "%s: random %u: code %d, want %d", what, seed, got, want);
    same(&whole, &other, what, "random", seed);
    seen_deinit(&other);
  }
  seen_deinit(&whole);
}

/* Rows: input, then per event `type|data` (or `-` without data), joined by "^". */
typedef struct row {
  enum cpx_framing framing;
  const char *in, *want;
  int err;
} row;

static const row rows[] = {
    {CPX_FRAMING_SSE, "data: a\n\n", "|a", 0},
    {CPX_FRAMING_SSE, "data: a\r\n\r\ndata: b\r\n\r\n", "|a^|b", 0},
    {CPX_FRAMING_SSE, "data: a\r\rdata: b\r\r", "|a^|b", 0},
    {CPX_FRAMING_SSE, "data: a\n\r\ndata: b\r\n\n", "|a^|b", 0},
    {CPX_FRAMING_SSE, "data: a\r\ndata: b\rdata: c\ndata: d\r\n\r\n", "|a\nb\nc\nd", 0},
    {CPX_FRAMING_SSE, "data: a\r\n\ndata: b\n\r\r\n", "|a^|b^-", 0},
    {CPX_FRAMING_SSE,
     "\xEF\xBB\xBF"
     "data: a\n\n\xEF\xBB\xBF"
     "data: b\n\n",
     "|a^-", 0},
    {CPX_FRAMING_SSE, ": OPENROUTER PROCESSING\n\ndata: a\n\n", "-^|a", 0},
    {CPX_FRAMING_SSE, ":\n\n:\ndata: a\n\n", "-^|a", 0},
    {CPX_FRAMING_SSE, ": ping\ndata: a\n\n", "|a", 0},
    {CPX_FRAMING_SSE, "data:a\n\n", "|a", 0},
    {CPX_FRAMING_SSE, "data:  a \n\n", "| a ", 0},
    {CPX_FRAMING_SSE, "data\n\n", "|", 0},
    {CPX_FRAMING_SSE, "data:\n\n", "|", 0},
    {CPX_FRAMING_SSE, "data\ndata\n\n", "|\n", 0},
    {CPX_FRAMING_SSE, "data: a\ndata:\ndata: b\n\n", "|a\n\nb", 0},
    {CPX_FRAMING_SSE, "event: x\ndata: a\n\n", "x|a", 0},
    {CPX_FRAMING_SSE, "data: a\nevent:x\n\n", "x|a", 0},
    {CPX_FRAMING_SSE, "event: x\nevent: y\ndata: a\n\n", "y|a", 0},
    {CPX_FRAMING_SSE, "event: x\n\n", "-", 0},
    {CPX_FRAMING_SSE, "id: 7\nretry: 10\nfoo: bar\ndatax: 1\ndat: 2\n data: 3\n\n", "-", 0},
    {CPX_FRAMING_SSE, "Data: a\ndata : b\n\n", "-", 0},
    {CPX_FRAMING_SSE, "\n\n\ndata: a\n\n", "-^-^-^|a", 0},
    {CPX_FRAMING_SSE, "data: a\n", "|a", 0},
    {CPX_FRAMING_SSE, "data: a", "|a", 0},
    {CPX_FRAMING_SSE, "data: a\n\ndata: [DONE]\n", "|a^|[DONE]", 0},
    {CPX_FRAMING_SSE, "data: a\n\n: bye", "|a^-", 0},
    {CPX_FRAMING_SSE, "data: a\n\r", "|a", 0},
    {CPX_FRAMING_SSE, "", "", 0},
    {CPX_FRAMING_SSE, "data: a\n\n{\n  \"error\": {\n    \"code\": 503\n  }\n}\n", "|a^-", 0},
    {CPX_FRAMING_SSE, "data: \xC3\xA4\xF0\x9F\x98\x80\n\n", "|\xC3\xA4\xF0\x9F\x98\x80", 0},
    {CPX_FRAMING_NDJSON, "{\"a\":1}\n{\"b\":2}\n", "|{\"a\":1}^|{\"b\":2}", 0},
    {CPX_FRAMING_NDJSON, "{\"a\":1}\r\n\r\n \n{\"b\":2}", "|{\"a\":1}^-^-^|{\"b\":2}", 0},
    {CPX_FRAMING_NDJSON, "\n", "-", 0},
    {CPX_FRAMING_JSON_ARRAY, "[{\"a\":1},\r\n{\"b\":[1,{}]}\n]\n", "|{\"a\":1}^|{\"b\":[1,{}]}^-^-", 0},
    {CPX_FRAMING_JSON_ARRAY, "[]", "-", 0},
    {CPX_FRAMING_JSON_ARRAY, " [ ] ", "-^-", 0},
    {CPX_FRAMING_JSON_ARRAY, "[{\"a\":\"]},[{\\\"\\\\\"}, \"x,]\\\"y\" ,1 ,[2] ,true]",
     "|{\"a\":\"]},[{\\\"\\\\\"}^|\"x,]\\\"y\"^|1^|[2]^|true^-", 0},
    {CPX_FRAMING_JSON_ARRAY, "[\"\\\\\",\"\\\\\\\"\"]", "|\"\\\\\"^|\"\\\\\\\"\"^-", 0},
    {CPX_FRAMING_JSON_ARRAY, "[{\"a\":1}", "|{\"a\":1}", CPX_EEOF},
    {CPX_FRAMING_JSON_ARRAY, "[{\"a\":", "", CPX_EEOF},
    {CPX_FRAMING_JSON_ARRAY, "", "", CPX_EEOF},
    {CPX_FRAMING_JSON_ARRAY, "{\"error\":1}", "", CPX_ESYNTAX},
    {CPX_FRAMING_JSON_ARRAY, "[1,]", "|1", CPX_ESYNTAX},
    {CPX_FRAMING_JSON_ARRAY, "[,1]", "", CPX_ESYNTAX},
    {CPX_FRAMING_JSON_ARRAY, "[{} {}]", "|{}", CPX_ESYNTAX},
    {CPX_FRAMING_JSON_ARRAY, "[1]x", "|1^-", CPX_ESYNTAX},
    {CPX_FRAMING_JSON_ARRAY, "[1][2]", "|1^-", CPX_ESYNTAX},
};

static int on_row_event(void *user, const cpx_event *event) {
  cpx_buf *out = user;
  if (out->len) put(out, "^", 1);
  if (!event->has_data) {
    put(out, "-", 1);
    return 0;
  }
  put(out, event->type.p, event->type.n);
  put(out, "|", 1);
  put(out, event->data.p, event->data.n);
  return 0;
}

static void an_event_holds_what_its_bytes_say(void) {
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    cpx_splitter s;
    cpx_buf out;
    cpx_buf_init(&out, MAX);
    cpx_splitter_init(&s, rows[i].framing, MAX);
    int err = cpx_splitter_feed(&s, rows[i].in, strlen(rows[i].in), on_row_event, &out);
    if (!err) err = cpx_splitter_finish(&s, on_row_event, &out);
    EXPECT(err == rows[i].err, "row %zu %s: code %d, want %d", i, rows[i].in, err, rows[i].err);
    put(&out, "", 1);
    EXPECT(strcmp(out.data, rows[i].want) == 0, "row %zu %s: got %s, want %s", i, rows[i].in, out.data, rows[i].want);
    cpx_buf_deinit(&out);
    cpx_splitter_deinit(&s);
    any_cut_is_the_same(rows[i].framing, MAX, cpx_slice_str(rows[i].in), rows[i].in);
  }
}

static void line_ends_may_be_mixed_at_random(void) {
  static const char *const ends[] = {"\n", "\r\n", "\r"};
  unsigned seed = 7;
  for (int round = 0; round < 200; round++) {
    cpx_buf in;
    cpx_buf_init(&in, MAX);
    size_t want = 1 + next_random(&seed) % 5;
    for (size_t i = 0; i < want; i++) {
      for (unsigned line = 0; line < 1 + next_random(&seed) % 3; line++) {
        EXPECT(cpx_buf_printf(&in, "data: %u%s", line, ends[next_random(&seed) % 3]) == 0, "no memory");
      }
      /* A lone CR as a line end cannot stand before a LF: that would be one CRLF. */
      EXPECT(cpx_buf_add_str(&in, in.data[in.len - 1] == '\r' ? "\r" : ends[next_random(&seed) % 3]) == 0, "no memory");
    }
    seen all;
    EXPECT(run(CPX_FRAMING_SSE, MAX, cpx_buf_slice(&in), WHOLE, 0, 0, &all) == 0, "round %d", round);
    EXPECT(all.with_data == want, "round %d: %zu events, want %zu: %.*s", round, all.with_data, want, (int)in.len,
           in.data);
    seen_deinit(&all);
    any_cut_is_the_same(CPX_FRAMING_SSE, MAX, cpx_buf_slice(&in), "mixed line ends");
    cpx_buf_deinit(&in);
  }
}

static void an_event_beyond_its_bound_is_an_error(void) {
  static const struct {
    enum cpx_framing framing;
    const char *in;
  } cases[] = {
      {CPX_FRAMING_SSE, "data: ok\n\ndata: 0123456789012345678901234567890123456789\n\ndata: no\n\n"},
      {CPX_FRAMING_NDJSON, "{\"ok\":1}\n{\"a\":\"0123456789012345678901234567890123456789\"}\n{}\n"},
      {CPX_FRAMING_JSON_ARRAY, "[{\"ok\":1},{\"a\":\"0123456789012345678901234567890123456789\"},{}]"},
      /* Over-long before it is wrong. */
      {CPX_FRAMING_JSON_ARRAY,
       "[{\"ok\":1}\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\rx"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cpx_slice in = cpx_slice_str(cases[i].in);
    seen all;
    EXPECT(run(cases[i].framing, 32, in, WHOLE, 0, 0, &all) == CPX_ETOOBIG, "case %zu", i);
    EXPECT(all.with_data == 1, "case %zu: %zu events before it", i, all.with_data);
    seen_deinit(&all);
    any_cut_is_the_same(cases[i].framing, 32, in, cases[i].in);
  }
  cpx_splitter s;
  seen all;
  seen_init(&all);
  cpx_splitter_init(&s, CPX_FRAMING_SSE, 8);
  EXPECT(cpx_splitter_feed(&s, "data: 0123456789", 16, on_event, &all) == CPX_ETOOBIG, "too long");
  EXPECT(cpx_splitter_feed(&s, "\n\n", 2, on_event, &all) == CPX_ETOOBIG, "dead splitters repeat their code");
  EXPECT(cpx_splitter_finish(&s, on_event, &all) == CPX_ETOOBIG, "also at the end");
  cpx_splitter_deinit(&s);
  seen_deinit(&all);
}

static void raw_chunks_pass_as_they_come(void) {
  cpx_splitter s;
  seen all;
  seen_init(&all);
  cpx_splitter_init(&s, CPX_FRAMING_RAW, MAX);
  EXPECT(cpx_splitter_feed(&s, "abc", 3, on_event, &all) == 0, "feed");
  EXPECT(cpx_splitter_feed(&s, "", 0, on_event, &all) == 0, "nothing");
  EXPECT(cpx_splitter_feed(&s, "d", 1, on_event, &all) == 0, "feed");
  EXPECT(cpx_splitter_finish(&s, on_event, &all) == 0, "finish");
  EXPECT(all.events == 2, "%zu events", all.events);
  cpx_splitter_deinit(&s);
  seen_deinit(&all);
}

static int point_into(void *user, const cpx_event *event) {
  *(const char **)user = event->raw.p;
  return 0;
}

static void a_whole_event_is_not_copied(void) {
  static const char in[] = "event: x\ndata: {\"a\":1}\n\n";
  cpx_splitter s;
  const char *at = NULL;
  cpx_splitter_init(&s, CPX_FRAMING_SSE, MAX);
  EXPECT(cpx_splitter_feed(&s, in, sizeof(in) - 1, point_into, (void *)&at) == 0, "feed");
  EXPECT(at == in, "raw does not point into the bytes fed");
  EXPECT(s.tail.cap == 0, "memory was taken");
  cpx_splitter_deinit(&s);
}

static char *read_file(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  struct stat st;
  EXPECT(fstat(fileno(f), &st) == 0, "stat %s", path);
  char *bytes = malloc((size_t)st.st_size + 1);
  *n = fread(bytes, 1, (size_t)st.st_size, f);
  fclose(f);
  return bytes;
}

static const char *fixtures(void) {
  return getenv("CPX_FIXTURES") ? getenv("CPX_FIXTURES") : "../shared/fixtures";
}

static size_t every_stream_of(const char *folder) {
  DIR *cases = opendir(folder);
  if (!cases) return 0;
  size_t files = 0;
  char path[1024];
  for (struct dirent *c; (c = readdir(cases));) {
    snprintf(path, sizeof(path), "%s/%s/response.sse", folder, c->d_name);
    size_t n = 0;
    char *bytes = read_file(path, &n);
    if (!bytes) continue;
    any_cut_is_the_same(CPX_FRAMING_SSE, 32 * MAX, cpx_slice_of(bytes, n), path);
    free(bytes);
    files++;
  }
  closedir(cases);
  return files;
}

static void recorded_streams_are_the_same_however_cut(void) {
  DIR *dialects = opendir(fixtures());
  if (!dialects) SKIP("no recorded exchanges at %s (set CPX_FIXTURES)", fixtures());
  size_t files = 0;
  char path[512];
  for (struct dirent *d; (d = readdir(dialects));) {
    if (d->d_name[0] == '.') continue;
    snprintf(path, sizeof(path), "%s/%s", fixtures(), d->d_name);
    files += every_stream_of(path);
  }
  closedir(dialects);
  EXPECT(files > 50, "only %zu streams at %s", files, fixtures());
}

static int count_event(void *user, const cpx_event *event) {
  *(size_t *)user += event->data.n;
  return 0;
}

/* Not a check (machines differ): the figure stands in the output. */
static void show_the_speed(void) {
  char event[304];
  memset(event, 'x', sizeof(event));
  memcpy(event, "event: content_block_delta\ndata: {", 34);
  memcpy(event + 298, "}\n\n", 4);
  cpx_buf in;
  cpx_buf_init(&in, MAX);
  for (int i = 0; i < 200; i++) put(&in, event, 301);
  cpx_splitter s;
  cpx_splitter_init(&s, CPX_FRAMING_SSE, MAX);
  size_t sum = 0;
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int i = 0; i < 500; i++) EXPECT(cpx_splitter_feed(&s, in.data, in.len, count_event, &sum) == 0, "feed");
  clock_gettime(CLOCK_MONOTONIC, &b);
  double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
  printf("framing: %.0f ns an event of 301 bytes (%zu)\n", ns / (500 * 200), sum);
  cpx_splitter_deinit(&s);
  cpx_buf_deinit(&in);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(an_event_holds_what_its_bytes_say);
  RUN(line_ends_may_be_mixed_at_random);
  RUN(an_event_beyond_its_bound_is_an_error);
  RUN(raw_chunks_pass_as_they_come);
  RUN(a_whole_event_is_not_copied);
  RUN(recorded_streams_are_the_same_however_cut);
  RUN(show_the_speed);
  return ct_summary();
}
