/* json_bench.c - how long documents take, beside memcpy and memchr of the same bytes.
 *
 *   cc -O2 -D_GNU_SOURCE -Isrc bench/json_bench.c build/libcpx_json.a build/libcpx_base.a -lm -o json_bench &&
 * ./json_bench [FILE…]
 *
 * Without a file: an agent's request of 430 KB (long texts with escapes, tool results, two dozen tools with schemas).
 * The best of many rounds, in microseconds; reads in nanoseconds.
 */
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void put(cpx_buf *b, const char *text) {
  if (cpx_buf_add_str(b, text)) exit(1);
}

static void put_prose(cpx_buf *b, size_t n) {
  static const char *const lines[] = {
      "    if (n > b->max || b->len > b->max - n) return CPX_ETOOBIG;\\n",
      "The quick brown fox jumps over the lazy dog, and says \\\"hello\\\" to it.\\n",
      "\\tlocal doc = assert(json.parse(bytes))  -- a document, kept as its bytes\\n",
      "Gr\xC3\xBC\xC3\x9F Gott \xE2\x80\x94 a line that is not all ASCII, as prose in any language has.\\n"};
  for (size_t i = 0, end = b->len + n; b->len < end; i++) put(b, lines[i % 7 < 4 ? i % 7 : i % 3]);
}

static void put_tool(cpx_buf *b, int i) {
  if (cpx_buf_printf(b, "%s{\"name\":\"tool_%d\",\"description\":\"", i ? "," : "", i)) exit(1);
  put_prose(b, 900);
  put(b, "\",\"input_schema\":{\"type\":\"object\",\"properties\":{");
  for (int k = 0; k < 8; k++)
    if (cpx_buf_printf(
            b, "%s\"parameter_%d\":{\"type\":\"string\",\"description\":\"What it is for.\",\"enum\":[\"a\",\"b\"]}",
            k ? "," : "", k))
      exit(1);
  put(b, "},\"required\":[\"parameter_0\"],\"additionalProperties\":false}}");
}

static void agent_request(cpx_buf *b) {
  put(b,
      "{\"model\":\"claude-opus-4\",\"max_tokens\":32000,\"stream\":true,\"system\":[{\"type\":\"text\",\"text\":\"");
  put_prose(b, 14000);
  put(b, "\",\"cache_control\":{\"type\":\"ephemeral\"}}],\"tools\":[");
  for (int i = 0; i < 24; i++) put_tool(b, i);
  put(b, "],\"messages\":[{\"role\":\"user\",\"content\":\"Fix the bug.\"}");
  for (int i = 0; b->len < 428000; i++) {
    if (cpx_buf_printf(
            b,
            ",{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"toolu_%d\",\"name\":\"tool_1\","
            "\"input\":{\"path\":\"src/%d.c\"}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
            "\"tool_use_id\":\"toolu_%d\",\"content\":\"",
            i, i, i))
      exit(1);
    put_prose(b, 3000);
    put(b, "\"}]}");
  }
  put(b, "],\"temperature\":0.7}");
}

static volatile size_t sink;

#define BEST(rounds, out, code)                                                                                        \
  do {                                                                                                                 \
    (out) = 1e18;                                                                                                      \
    for (int bench_i = 0; bench_i < (rounds); bench_i++) {                                                             \
      double bench_t = now();                                                                                          \
      code;                                                                                                            \
      bench_t = now() - bench_t;                                                                                       \
      if (bench_t < (out)) (out) = bench_t;                                                                            \
    }                                                                                                                  \
  } while (0)

static void parse_and_close(const cpx_buf *b) {
  cpx_json_doc *doc;
  if (cpx_json_parse(b->data, b->len, NULL, &doc, NULL)) exit(1);
  sink += cpx_json_count(doc, CPX_JSON_ROOT);
  cpx_json_unref(doc);
}

static void splice(const cpx_buf *b) {
  cpx_json_doc *doc;
  cpx_json_node v;
  cpx_json_parts parts = {0};
  if (cpx_json_parse(b->data, b->len, NULL, &doc, NULL) || cpx_json_new_string(doc, CPX_SLICE("gpt-5"), &v)) exit(1);
  if (cpx_json_set(doc, CPX_JSON_ROOT, CPX_SLICE("model"), v) || cpx_json_encode_parts(doc, CPX_JSON_ROOT, &parts))
    exit(1);
  sink += parts.bytes;
  cpx_json_parts_deinit(&parts);
  cpx_json_unref(doc);
}

static void measure(const char *name, const cpx_buf *b) {
  double copy, parse, edit, get;
  char *to = malloc(b->len);
  cpx_json_doc *doc;
  if (!to || cpx_json_parse(b->data, b->len, NULL, &doc, NULL)) exit(1);
  BEST(300, copy, memcpy(to, b->data, b->len); sink += (size_t)to[b->len / 2]);
  BEST(300, parse, parse_and_close(b));
  BEST(300, edit, splice(b));
  BEST(100, get, for (int i = 0; i < 1000; i++) sink += cpx_json_get(doc, CPX_JSON_ROOT, "stream", 6));
  printf("%s: %zu bytes, %zu in the document: memcpy %.1f µs, parse %.1f µs, parse + splice + parts %.1f µs, get %.1f "
         "ns\n",
         name, b->len, cpx_json_memory(doc), copy, parse, edit, get);
  cpx_json_unref(doc);
  free(to);
}

int main(int argc, char **argv) {
  cpx_buf b;
  cpx_buf_init(&b, CPX_HTTP_BODY_MAX);
  if (argc < 2) {
    agent_request(&b);
    measure("agent request", &b);
  }
  for (int i = 1; i < argc; i++) {
    FILE *f = fopen(argv[i], "rb");
    char chunk[4096];
    b.len = 0;
    for (size_t n; f && (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
      if (cpx_buf_add(&b, chunk, n)) return 1;
    if (!f || fclose(f) != 0) return 1;
    measure(argv[i], &b);
  }
  cpx_buf_deinit(&b);
  return 0;
}
