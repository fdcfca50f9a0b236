/* Life and memory of a document. */
#include "json/tape.h"

#include <stdlib.h>

#define CHUNK       4000
#define FIRST_CELLS 65536 /* 1 MB */

static size_t all_memory;

void cpx_json_account(cpx_json_doc *doc, size_t more, size_t less) {
  doc->memory += more - less;
  all_memory += more - less;
}

size_t cpx_json_memory(const cpx_json_doc *doc) {
  return doc->memory;
}

size_t cpx_json_memory_all(void) {
  return all_memory;
}

static void free_content(cpx_json_doc *doc) {
  for (uint32_t i = 0; i < doc->noverlays; i++) free(doc->overlays[i].v);
  while (doc->chunks) {
    cpx_json_chunk *next = doc->chunks->next;
    free(doc->chunks);
    doc->chunks = next;
  }
  free(doc->overlays);
  free(doc->segments);
  free(doc->cells);
  free(doc->owned);
  cpx_json_account(doc, 0, doc->memory);
  cpx_json_doc *source = doc->source;
  *doc = (cpx_json_doc){.holds = doc->holds, .closed = true};
  cpx_json_unref(source); /* has no source itself */
}

/* Nobody needs the content any more, or not even the shell. */
static void drop(cpx_json_doc *doc) {
  if (doc->refs > 0 || (doc->holds > 0 && !doc->closed)) return;
  free_content(doc);
  if (doc->holds == 0) free(doc);
}

cpx_json_doc *cpx_json_ref(cpx_json_doc *doc) {
  doc->refs++;
  return doc;
}

void cpx_json_unref(cpx_json_doc *doc) {
  if (doc && --doc->refs == 0) drop(doc);
}

cpx_json_doc *cpx_json_hold(cpx_json_doc *doc) {
  doc->holds++;
  return doc;
}

void cpx_json_release(cpx_json_doc *doc) {
  if (doc && --doc->holds == 0) drop(doc);
}

void cpx_json_close(cpx_json_doc *doc) {
  doc->closed = true;
  drop(doc);
}

bool cpx_json_closed(const cpx_json_doc *doc) {
  return doc->closed || (doc->source && doc->source->closed && !doc->source->owned);
}

static cpx_json_limits clamp(const cpx_json_limits *given) {
  cpx_json_limits l = given ? *given : (cpx_json_limits){0};
  if (!l.bytes) l.bytes = CPX_HTTP_BODY_MAX;
  if (l.bytes > UINT32_MAX / 2) l.bytes = UINT32_MAX / 2; /* offsets are 32 bits */
  if (!l.depth || l.depth > CPX_JSON_DEPTH_MAX) l.depth = CPX_JSON_DEPTH_MAX;
  if (!l.nodes || l.nodes > CPX_JSON_NODES_MAX) l.nodes = CPX_JSON_NODES_MAX;
  return l;
}

static int refuse_size(size_t limit, cpx_json_error *err) {
  cpx_buf text;
  cpx_buf_init(&text, sizeof err->message);
  *err = (cpx_json_error){.code = CPX_ETOOBIG, .line = 1, .column = 1};
  if (cpx_buf_printf(&text, "larger than %zu bytes", limit) == 0) memcpy(err->message, text.data, text.len);
  cpx_buf_deinit(&text);
  return CPX_ETOOBIG;
}

static int fill(cpx_json_doc *doc, const char *bytes, cpx_json_error *err) {
  if (doc->length > doc->limits.bytes) return refuse_size(doc->limits.bytes, err);
  int code = cpx_json_segment_add(doc, bytes, 0);
  if (code) return code;
  /* A guess at the number of values, for agents send long strings; more come by doubling. */
  size_t guess = 16 + doc->length / 64;
  if (guess > FIRST_CELLS) guess = FIRST_CELLS;
  if (guess > doc->limits.nodes) guess = doc->limits.nodes;
  code = cpx_json_reserve_cells(doc, (uint32_t)guess);
  return code ? code : cpx_json_tape(doc, bytes, doc->length, err);
}

static int parse(const char *bytes, size_t n, char *owned, const cpx_json_limits *limits, cpx_json_doc **out,
                 cpx_json_error *err) {
  cpx_json_error local;
  if (!err) err = &local;
  *err = (cpx_json_error){.code = CPX_ENOMEM, .line = 1, .column = 1, .message = "out of memory"};
  cpx_json_doc *doc = calloc(1, sizeof *doc);
  if (!doc) {
    free(owned);
    return CPX_ENOMEM;
  }
  doc->refs = 1;
  doc->length = n;
  doc->owned = owned;
  doc->limits = clamp(limits);
  doc->cursors[0].array = doc->cursors[1].array = CPX_JSON_NONE;
  cpx_json_account(doc, sizeof *doc + (owned ? n : 0), 0);
  int code = fill(doc, n ? bytes : "", err);
  if (code) {
    cpx_json_unref(doc);
    return code;
  }
  err->code = 0;
  err->message[0] = 0;
  *out = doc;
  return 0;
}

int cpx_json_parse(const char *bytes, size_t n, const cpx_json_limits *limits, cpx_json_doc **out,
                   cpx_json_error *err) {
  return parse(bytes, n, NULL, limits, out, err);
}

int cpx_json_parse_take(char *bytes, size_t n, const cpx_json_limits *limits, cpx_json_doc **out, cpx_json_error *err) {
  return parse(bytes, n, bytes, limits, out, err);
}

int cpx_json_original(cpx_json_doc *doc, cpx_json_doc **out) {
  int err = cpx_json_parse(doc->segments[0].bytes, doc->length, &doc->limits, out, NULL);
  if (!err) (*out)->source = cpx_json_ref(doc->source ? doc->source : doc);
  return err;
}

/* -- Memory. ------------------------------------------------------------------------------------------------------ */

int cpx_json_reserve_cells(cpx_json_doc *doc, uint32_t n) {
  if (n > doc->limits.nodes || doc->n > doc->limits.nodes - n) return CPX_ETOOBIG;
  if (doc->n + n <= doc->cap) return 0;
  size_t cap = (size_t)doc->cap * 2;
  if (cap < doc->n + n) cap = doc->n + n;
  if (cap > doc->limits.nodes) cap = doc->limits.nodes;
  cpx_json_cell *cells = realloc(doc->cells, cap * sizeof *cells);
  if (!cells) return CPX_ENOMEM;
  cpx_json_account(doc, cap * sizeof *cells, doc->cap * sizeof *cells);
  doc->cells = cells;
  doc->cap = (uint32_t)cap;
  return 0;
}

int cpx_json_segment_add(cpx_json_doc *doc, const char *bytes, cpx_json_node first) {
  if (doc->nsegments == doc->segments_cap) {
    uint32_t cap = doc->segments_cap ? doc->segments_cap * 4 : 1; /* most documents are only read */
    cpx_json_segment *segments = realloc(doc->segments, cap * sizeof *segments);
    if (!segments) return CPX_ENOMEM;
    cpx_json_account(doc, cap * sizeof *segments, doc->segments_cap * sizeof *segments);
    doc->segments = segments;
    doc->segments_cap = cap;
  }
  doc->segments[doc->nsegments++] = (cpx_json_segment){first, CPX_JSON_NONE, bytes};
  return 0;
}

const cpx_json_segment *cpx_json_segment_of(const cpx_json_doc *doc, cpx_json_node node) {
  uint32_t low = 0, high = doc->nsegments;
  if (high == 1 || node < doc->segments[1].first) return doc->segments;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (doc->segments[middle].first <= node)
      low = middle;
    else
      high = middle;
  }
  return &doc->segments[low];
}

char *cpx_json_alloc(cpx_json_doc *doc, size_t n, int *err) {
  *err = CPX_ETOOBIG;
  if (n > doc->limits.bytes || doc->added > doc->limits.bytes - n) return NULL;
  cpx_json_chunk *chunk = doc->chunks;
  if (!chunk || chunk->size - chunk->used < n) {
    size_t size = n > CHUNK / 2 ? n : CHUNK;
    *err = CPX_ENOMEM;
    chunk = malloc(sizeof *chunk + size);
    if (!chunk) return NULL;
    chunk->used = 0;
    chunk->size = size;
    cpx_json_account(doc, sizeof *chunk + size, 0);
    /* A large value has a chunk of its own: the one with room left stays in front. */
    cpx_json_chunk **at = doc->chunks && size == n ? &doc->chunks->next : &doc->chunks;
    chunk->next = *at;
    *at = chunk;
  }
  char *p = chunk->bytes + chunk->used;
  chunk->used += n;
  doc->added += n;
  *err = 0;
  return p;
}
