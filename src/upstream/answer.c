/* answer.c - what comes back: head lines collected and cleaned, body bytes handed on. */
#include "upstream/internal.h"

#include <ctype.h>
#include <stdlib.h>

static size_t give_up(up_call *call, int err, const char *text) {
  call->err = err;
  call->err_text = text;
  return 0;
}

static bool token_in_list(cpx_slice list, cpx_slice token) {
  for (size_t at = 0; at < list.n;) {
    const char *comma = memchr(list.p + at, ',', list.n - at);
    size_t end = comma ? (size_t)(comma - list.p) : list.n, from = at, to = end;
    while (from < to && (list.p[from] == ' ' || list.p[from] == '\t')) from++;
    while (to > from && (list.p[to - 1] == ' ' || list.p[to - 1] == '\t')) to--;
    if (cpx_slice_ieq((cpx_slice){list.p + from, to - from}, token)) return true;
    at = end + 1;
  }
  return false;
}

static size_t field_count(const up_slot *slot) {
  return slot->fields.len / sizeof(up_field);
}

static cpx_header field_at(const up_slot *slot, size_t i) {
  const up_field *f = (const up_field *)(const void *)slot->fields.data + i;
  return (cpx_header){{slot->head.data + f->name, f->name_len}, {slot->head.data + f->value, f->value_len}};
}

/* Whether a Connection header of this answer names it. */
static bool named_by_connection(const up_slot *slot, cpx_slice name) {
  for (size_t i = 0; i < field_count(slot); i++) {
    cpx_header h = field_at(slot, i);
    if (cpx_slice_eq(h.name, CPX_SLICE("connection")) && token_in_list(h.value, name)) return true;
  }
  return false;
}

/* Content-Length: -1 absent, -2 contradictory or no number. */
static int64_t read_length(const up_slot *slot) {
  int64_t length = -1;
  for (size_t i = 0; i < field_count(slot); i++) {
    cpx_header h = field_at(slot, i);
    if (!cpx_slice_eq(h.name, CPX_SLICE("content-length"))) continue;
    int64_t value = 0;
    if (h.value.n == 0 || h.value.n > 18) return -2;
    for (size_t at = 0; at < h.value.n; at++) {
      if (!isdigit((unsigned char)h.value.p[at])) return -2;
      value = value * 10 + (h.value.p[at] - '0');
    }
    if (length >= 0 && length != value) return -2;
    length = value;
  }
  return length;
}

static bool has_field(const up_slot *slot, cpx_slice name) {
  for (size_t i = 0; i < field_count(slot); i++)
    if (cpx_slice_eq(field_at(slot, i).name, name)) return true;
  return false;
}

static size_t head_ready(up_slot *slot) {
  up_call *call = slot->call;
  int64_t length = read_length(slot);
  if (length == -2) return give_up(call, CPX_EPROTO, "its answer has a bad or contradictory Content-Length");
  if (has_field(slot, CPX_SLICE("transfer-encoding"))) length = -1;
  cpx_header fixed[64], *headers = fixed;
  size_t total = field_count(slot), kept = 0;
  if (total > 64 && !(headers = malloc(total * sizeof *headers))) return give_up(call, CPX_ENOMEM, "out of memory");
  for (size_t i = 0; i < total; i++) {
    cpx_header h = field_at(slot, i);
    if (!up_is_hop_header(h.name) && !named_by_connection(slot, h.name)) headers[kept++] = h;
  }
  call->head_done = true;
  call->length = length;
  cpx_head head = {call->status, headers, kept, length};
  if (call->source.sink) call->source.sink->on_head(call->source.user, &head);
  if (headers != fixed) free(headers);
  return 1;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200" */
static bool status_line(up_call *call, up_slot *slot, const char *line, size_t n) {
  const char *space = memchr(line, ' ', n);
  size_t at = space ? (size_t)(space - line) + 1 : n;
  if (at + 3 > n) return false;
  call->status = 0;
  for (size_t i = at; i < at + 3; i++) {
    if (!isdigit((unsigned char)line[i])) return false;
    call->status = call->status * 10 + (line[i] - '0');
  }
  if (call->status < 100 || call->status > 599) return false;
  call->skipping = call->status < 200;
  slot->head.len = slot->fields.len = 0;
  return true;
}

static int add_field(up_slot *slot, const char *line, size_t n) {
  const char *colon = memchr(line, ':', n);
  if (!colon || colon == line) return CPX_EPROTO;
  size_t name = (size_t)(colon - line), from = name + 1, to = n;
  while (from < to && (line[from] == ' ' || line[from] == '\t')) from++;
  while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t')) to--;
  up_field f = {(uint32_t)slot->head.len, (uint32_t)name, (uint32_t)(slot->head.len + name), (uint32_t)(to - from)};
  int err = cpx_buf_add(&slot->head, line, name);
  if (!err) err = cpx_buf_add(&slot->head, line + from, to - from);
  if (!err) err = cpx_buf_add(&slot->fields, &f, sizeof f);
  char *at = err ? NULL : slot->head.data + f.name;
  for (size_t i = 0; !err && i < name; i++) {
    unsigned char c = (unsigned char)at[i];
    if (c <= ' ' || c == 0x7f) return CPX_EPROTO;
    if (c >= 'A' && c <= 'Z') at[i] = (char)(c | 0x20);
  }
  return err;
}

/* A folded line goes on where the last value ended, since that stands at the end of `head`. */
static int add_fold(up_slot *slot, const char *line, size_t n) {
  if (slot->fields.len == 0) return CPX_EPROTO;
  size_t from = 0;
  while (from < n && (line[from] == ' ' || line[from] == '\t')) from++;
  int err = cpx_buf_add(&slot->head, " ", 1);
  if (!err) err = cpx_buf_add(&slot->head, line + from, n - from);
  up_field *last = (up_field *)(void *)(slot->fields.data + slot->fields.len) - 1;
  if (!err) last->value_len += (uint32_t)(n - from + 1);
  return err;
}

size_t up_on_header(char *line, size_t size, size_t n, void *user) {
  up_slot *slot = user;
  up_call *call = slot->call;
  size_t all = size * n, len = all;
  if (call->dropped) return 0;
  if (call->head_done) return all; /* trailers */
  while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) len--;
  call->active = cpx_loop_ms(call->up->loop);
  if (len >= 5 && memcmp(line, "HTTP/", 5) == 0 && (slot->head.len == 0 || call->skipping)) {
    if (!status_line(call, slot, line, len)) return give_up(call, CPX_EPROTO, "its answer has a bad status line");
    if (!call->skipping) call->answered = true;
    return all;
  }
  if (call->skipping) return all;
  if (len == 0) {
    if (!head_ready(slot) || call->dropped) return 0;
    return all;
  }
  int err = line[0] == ' ' || line[0] == '\t' ? add_fold(slot, line, len) : add_field(slot, line, len);
  if (err == CPX_ETOOBIG)
    return give_up(call, CPX_EPROTO, "the head of its answer is larger than 100 KB or 1,000 headers");
  if (err == CPX_ENOMEM) return give_up(call, err, "out of memory");
  if (err) return give_up(call, CPX_EPROTO, "its answer has a malformed header");
  return all;
}

size_t up_on_body(char *bytes, size_t size, size_t n, void *user) {
  up_call *call = ((up_slot *)user)->call;
  size_t all = size * n;
  if (call->dropped) return 0;
  if (call->paused) {
    call->held = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  call->active = cpx_loop_ms(call->up->loop);
  if (all > 0) call->source.sink->on_data(call->source.user, bytes, all);
  return call->dropped ? 0 : all;
}
