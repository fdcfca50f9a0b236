#include "http/tap_pick.h"

#include "base/limits.h"

#include <ctype.h>

#define WORDS_MAX (64 * CPX_KB) /* an error message of this size is nobody's message any more */
#define FIGURE(f) (CPX_TAP_TEXTS + (f))

/* A path of keys, "*" for every element of an array; `to`: a text, or FIGURE(figure). */
typedef struct row {
  const char *keys[4];
  unsigned char to;
} row;

static const row chat_rows[] = {
    {{"id"}, CPX_TAP_ID},
    {{"model"}, CPX_TAP_MODEL},
    {{"choices", "*", "finish_reason"}, CPX_TAP_STOP},
    {{"usage", "prompt_tokens"}, FIGURE(CPX_TAP_INPUT)},
    {{"usage", "completion_tokens"}, FIGURE(CPX_TAP_OUTPUT)},
    {{"usage", "prompt_cache_hit_tokens"}, FIGURE(CPX_TAP_CACHED)},
    {{"usage", "prompt_tokens_details", "cached_tokens"}, FIGURE(CPX_TAP_CACHED)},
    {{"usage", "prompt_tokens_details", "cache_write_tokens"}, FIGURE(CPX_TAP_WRITTEN)},
    {{"usage", "completion_tokens_details", "reasoning_tokens"}, FIGURE(CPX_TAP_REASONING)},
    {{"x_groq", "usage", "prompt_tokens"}, FIGURE(CPX_TAP_INPUT)},
    {{"x_groq", "usage", "completion_tokens"}, FIGURE(CPX_TAP_OUTPUT)},
    {{"error", "message"}, CPX_TAP_MESSAGE},
    {{"error", "code"}, CPX_TAP_CODE},
    {{"error", "type"}, CPX_TAP_KIND},
    {{"message"}, CPX_TAP_MESSAGE}, /* Mistral's flat errors */
    {{"code"}, CPX_TAP_CODE},
};

static const row responses_rows[] = {
    {{"id"}, CPX_TAP_ID},
    {{"model"}, CPX_TAP_MODEL},
    {{"status"}, CPX_TAP_STOP},
    {{"incomplete_details", "reason"}, CPX_TAP_STOP},
    {{"usage", "input_tokens"}, FIGURE(CPX_TAP_INPUT)},
    {{"usage", "output_tokens"}, FIGURE(CPX_TAP_OUTPUT)},
    {{"usage", "input_tokens_details", "cached_tokens"}, FIGURE(CPX_TAP_CACHED)},
    {{"usage", "input_tokens_details", "cache_write_tokens"}, FIGURE(CPX_TAP_WRITTEN)},
    {{"usage", "output_tokens_details", "reasoning_tokens"}, FIGURE(CPX_TAP_REASONING)},
    {{"input_tokens"}, FIGURE(CPX_TAP_INPUT)}, /* an answer to a count */
    {{"response", "id"}, CPX_TAP_ID},
    {{"response", "model"}, CPX_TAP_MODEL},
    {{"response", "status"}, CPX_TAP_STOP},
    {{"response", "incomplete_details", "reason"}, CPX_TAP_STOP},
    {{"response", "usage", "input_tokens"}, FIGURE(CPX_TAP_INPUT)},
    {{"response", "usage", "output_tokens"}, FIGURE(CPX_TAP_OUTPUT)},
    {{"response", "usage", "input_tokens_details", "cached_tokens"}, FIGURE(CPX_TAP_CACHED)},
    {{"response", "usage", "input_tokens_details", "cache_write_tokens"}, FIGURE(CPX_TAP_WRITTEN)},
    {{"response", "usage", "output_tokens_details", "reasoning_tokens"}, FIGURE(CPX_TAP_REASONING)},
    {{"response", "error", "message"}, CPX_TAP_MESSAGE},
    {{"response", "error", "code"}, CPX_TAP_CODE},
    {{"error", "message"}, CPX_TAP_MESSAGE},
    {{"error", "code"}, CPX_TAP_CODE},
    {{"error", "type"}, CPX_TAP_KIND},
    {{"message"}, CPX_TAP_MESSAGE}, /* the flat form of the error event */
    {{"code"}, CPX_TAP_CODE},
};

static const row anthropic_rows[] = {
    {{"id"}, CPX_TAP_ID},
    {{"model"}, CPX_TAP_MODEL},
    {{"stop_reason"}, CPX_TAP_STOP},
    {{"delta", "stop_reason"}, CPX_TAP_STOP},
    {{"usage", "input_tokens"}, FIGURE(CPX_TAP_INPUT)},
    {{"usage", "output_tokens"}, FIGURE(CPX_TAP_OUTPUT)},
    {{"usage", "cache_read_input_tokens"}, FIGURE(CPX_TAP_CACHED)},
    {{"usage", "cache_creation_input_tokens"}, FIGURE(CPX_TAP_WRITTEN)},
    {{"usage", "output_tokens_details", "thinking_tokens"}, FIGURE(CPX_TAP_REASONING)},
    {{"input_tokens"}, FIGURE(CPX_TAP_INPUT)}, /* an answer to a count */
    {{"message", "id"}, CPX_TAP_ID},
    {{"message", "model"}, CPX_TAP_MODEL},
    {{"message", "usage", "input_tokens"}, FIGURE(CPX_TAP_INPUT)},
    {{"message", "usage", "output_tokens"}, FIGURE(CPX_TAP_OUTPUT)},
    {{"message", "usage", "cache_read_input_tokens"}, FIGURE(CPX_TAP_CACHED)},
    {{"message", "usage", "cache_creation_input_tokens"}, FIGURE(CPX_TAP_WRITTEN)},
    {{"message", "usage", "output_tokens_details", "thinking_tokens"}, FIGURE(CPX_TAP_REASONING)},
    {{"error", "message"}, CPX_TAP_MESSAGE},
    {{"error", "type"}, CPX_TAP_KIND},
};

static const row gemini_rows[] = {
    {{"responseId"}, CPX_TAP_ID},
    {{"modelVersion"}, CPX_TAP_MODEL},
    {{"candidates", "*", "finishReason"}, CPX_TAP_STOP},
    {{"promptFeedback", "blockReason"}, CPX_TAP_STOP},
    {{"usageMetadata", "promptTokenCount"}, FIGURE(CPX_TAP_INPUT)},
    {{"usageMetadata", "candidatesTokenCount"}, FIGURE(CPX_TAP_OUTPUT)},
    {{"usageMetadata", "cachedContentTokenCount"}, FIGURE(CPX_TAP_CACHED)},
    {{"usageMetadata", "thoughtsTokenCount"}, FIGURE(CPX_TAP_REASONING)},
    {{"usageMetadata", "toolUsePromptTokenCount"}, FIGURE(CPX_TAP_EXTRA)},
    {{"totalTokens"}, FIGURE(CPX_TAP_INPUT)}, /* an answer to a count */
    {{"error", "message"}, CPX_TAP_MESSAGE},
    {{"error", "status"}, CPX_TAP_CODE},
    {{"error", "code"}, CPX_TAP_KIND},
};

static const struct {
  const row *rows;
  unsigned count;
} tables[] = {
    [CPX_DIALECT_OTHER] = {NULL, 0},
#define TABLE(of)                                                                                                      \
  { (of), sizeof(of) / sizeof *(of) }
    [CPX_DIALECT_OPENAI_CHAT] = TABLE(chat_rows),
    [CPX_DIALECT_OPENAI_RESPONSES] = TABLE(responses_rows),
    [CPX_DIALECT_ANTHROPIC] = TABLE(anthropic_rows),
    [CPX_DIALECT_GEMINI] = TABLE(gemini_rows),
#undef TABLE
};

typedef struct walk {
  enum cpx_dialect dialect;
  const char *p, *end;
  const row *rows;
  cpx_tap_facts *facts;
  unsigned found;
} walk;

static bool walk_value(walk *w, uint32_t mask, unsigned depth);

static bool peek(walk *w, char *c) {
  while (w->p < w->end && (*w->p == ' ' || *w->p == '\n' || *w->p == '\r' || *w->p == '\t')) w->p++;
  if (w->p == w->end) return false;
  *c = *w->p;
  return true;
}

/* From the opening quote to behind the closing one. */
static bool skip_string(walk *w) {
  const char *from = w->p + 1;
  while (from < w->end) {
    const char *quote = memchr(from, '"', (size_t)(w->end - from));
    if (!quote) return false;
    size_t escapes = 0;
    for (const char *p = quote; p > w->p + 1 && p[-1] == '\\'; p--) escapes++;
    from = quote + 1;
    if (escapes % 2 == 0) {
      w->p = from;
      return true;
    }
  }
  return false;
}

/* A number or a word: up to what may follow it. */
static bool skip_bare(walk *w) {
  const char *from = w->p;
  while (w->p < w->end && *w->p != ',' && *w->p != '}' && *w->p != ']') w->p++;
  return w->p > from && w->p < w->end;
}

static bool skip_value(walk *w) {
  size_t depth = 0;
  char c;
  if (!peek(w, &c)) return false;
  if (c != '"' && c != '{' && c != '[') return skip_bare(w);
  while (w->p < w->end) {
    c = *w->p;
    if (c == '"' && !skip_string(w)) return false;
    if (c != '"') w->p++;
    if (c == '{' || c == '[') depth++;
    if (c == '}' || c == ']') depth--;
    if (depth == 0) return true;
  }
  return false;
}

static void take_figure(walk *w, unsigned figure, cpx_slice value) {
  int64_t number = 0;
  size_t i = 0;
  if (value.n && value.p[0] == '"') value = (cpx_slice){value.p + 1, value.n - 2}; /* int64 in proto-JSON */
  for (; i < value.n && i < 18 && isdigit((unsigned char)value.p[i]); i++) number = number * 10 + (value.p[i] - '0');
  if (i > 0) w->facts->figures[figure] = number;
}

static void take_text(walk *w, unsigned text, cpx_slice value) {
  cpx_tap_facts *facts = w->facts;
  size_t at = facts->words.len;
  /* Streams repeat themselves: the same value needs no second place. */
  if (facts->texts[text].n == value.n && memcmp(facts->words.data + facts->texts[text].at, value.p, value.n) == 0) {
    w->found |= 1u << text;
    return;
  }
  if (cpx_buf_add_slice(&facts->words, value) != 0) return;
  facts->texts[text].at = (uint32_t)at;
  facts->texts[text].n = (uint32_t)value.n;
  w->found |= 1u << text;
}

static bool take(walk *w, unsigned to) {
  char c;
  if (!peek(w, &c)) return false;
  const char *from = w->p;
  if (!skip_value(w)) return false;
  cpx_slice value = {from, (size_t)(w->p - from)};
  while (value.n && isspace((unsigned char)value.p[value.n - 1])) value.n--;
  if (value.n == 0 || c == 'n' || c == '{' || c == '[') return true;
  if (to >= CPX_TAP_TEXTS)
    take_figure(w, to - CPX_TAP_TEXTS, value);
  else
    take_text(w, to, value);
  return true;
}

#define TABLES (sizeof tables / sizeof *tables)
#define ROWS   32

/* Made with the first look at a table. */
static struct {
  bool made;
  uint32_t masks[32];           /* the rows whose first key begins with this letter, or one that is 32 or 64 apart */
  unsigned char sizes[ROWS][4]; /* of the keys; 0: none */
} known[TABLES];

static void make_known(enum cpx_dialect dialect) {
  for (unsigned i = 0; i < tables[dialect].count; i++) {
    const row *r = &tables[dialect].rows[i];
    known[dialect].masks[(unsigned char)*r->keys[0] & 31] |= 1u << i;
    for (unsigned k = 0; k < 4 && r->keys[k]; k++) known[dialect].sizes[i][k] = (unsigned char)strlen(r->keys[k]);
  }
  known[dialect].made = true;
}

/* The rows of `mask` that go on with `key` at this depth. */
static uint32_t narrow(const walk *w, uint32_t mask, unsigned depth, cpx_slice key) {
  uint32_t out = 0;
  if (key.n == 0) return 0;
  if (!known[w->dialect].made) make_known(w->dialect);
  if (depth == 0) mask &= known[w->dialect].masks[(unsigned char)*key.p & 31];
  for (uint32_t left = mask; left; left &= left - 1) {
    unsigned i = (unsigned)__builtin_ctz(left);
    if (known[w->dialect].sizes[i][depth] == key.n && memcmp(w->rows[i].keys[depth], key.p, key.n) == 0) out |= 1u << i;
  }
  return out;
}

static bool walk_narrowed(walk *w, uint32_t mask, unsigned depth) {
  if (!mask) return skip_value(w);
  const row *first = &w->rows[__builtin_ctz(mask)];
  if (depth == 4 || !first->keys[depth]) return take(w, first->to);
  return walk_value(w, mask, depth);
}

/* Members up to the closing brace; `w->p` stands at a key. */
static bool walk_members(walk *w, uint32_t mask, unsigned depth) {
  char c;
  for (;;) {
    if (!peek(w, &c)) return false;
    if (c == '}') {
      w->p++;
      return true;
    }
    if (c == ',') {
      w->p++;
      continue;
    }
    if (c != '"') return false;
    const char *key = w->p + 1;
    if (!skip_string(w)) return false;
    cpx_slice name = {key, (size_t)(w->p - key) - 1};
    if (!peek(w, &c) || c != ':') return false;
    w->p++;
    if (!walk_narrowed(w, narrow(w, mask, depth, name), depth + 1)) return false;
  }
}

static bool walk_elements(walk *w, uint32_t mask, unsigned depth) {
  char c;
  for (;;) {
    if (!peek(w, &c)) return false;
    if (c == ']') {
      w->p++;
      return true;
    }
    if (c == ',')
      w->p++;
    else if (!walk_narrowed(w, mask, depth))
      return false;
  }
}

static bool walk_value(walk *w, uint32_t mask, unsigned depth) {
  char c;
  if (!peek(w, &c)) return false;
  if (c == '{') {
    w->p++;
    return walk_members(w, mask, depth);
  }
  if (c != '[') return skip_value(w);
  uint32_t inside = depth ? narrow(w, mask, depth, CPX_SLICE("*")) : mask;
  w->p++;
  /* A list around the whole: Gemini's errors and its streams without alt=sse. */
  if (depth == 0) return walk_elements(w, inside, 0);
  if (inside) return walk_elements(w, inside, depth + 1);
  w->p--;
  return skip_value(w);
}

static uint32_t all_rows(enum cpx_dialect dialect) {
  return (uint32_t)((1ULL << tables[dialect].count) - 1);
}

unsigned cpx_tap_pick(enum cpx_dialect dialect, cpx_slice json, cpx_tap_facts *facts) {
  walk w = {dialect, json.p, json.p + json.n, tables[dialect].rows, facts, 0};
  if (json.n && tables[dialect].count) (void)walk_value(&w, all_rows(dialect), 0);
  return w.found;
}

unsigned cpx_tap_pick_members(enum cpx_dialect dialect, cpx_slice members, cpx_tap_facts *facts) {
  walk w = {dialect, members.p, members.p + members.n, tables[dialect].rows, facts, 0};
  if (members.n && tables[dialect].count) (void)walk_members(&w, all_rows(dialect), 0);
  return w.found;
}

void cpx_tap_facts_init(cpx_tap_facts *facts) {
  *facts = (cpx_tap_facts){.figures = {0}};
  for (int i = 0; i < CPX_TAP_FIGURES; i++) facts->figures[i] = -1;
  cpx_buf_init(&facts->words, WORDS_MAX);
}

void cpx_tap_facts_deinit(cpx_tap_facts *facts) {
  cpx_buf_deinit(&facts->words);
}
