#include "http/server_internal.h"

#include "base/log.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHUNK_HEAD  10            /* eight digits, CR, LF */
#define CHUNK_JOINS (16 * CPX_KB) /* smaller writes are joined to one chunk, larger ones pass without another copy */
#define OUT_KEEP    (2 * CPX_KB)  /* memory kept between the turns of a stream */

static const struct {
  int status;
  const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {529, "Overloaded"},
};

static const char *reason_of(int status) {
  for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
    if (reasons[i].status == status) return reasons[i].reason;
  }
  return "";
}

/* -- The head. */

/* "Date: …" of this second; day and month names must not follow the locale. */
static const char *date_line(cpx_http_server *server) {
  static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (server->date[0] && server->date_s == now.tv_sec) return server->date;
  struct tm t;
  time_t s = now.tv_sec;
  gmtime_r(&s, &t);
  char text[96];
  snprintf(text, sizeof(text), "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[t.tm_wday], t.tm_mday,
           months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
  memcpy(server->date, text, sizeof(server->date) - 1);
  server->date_s = now.tv_sec;
  return server->date;
}

/* Headers that belong to the connection or that are written here. */
static bool is_ours(cpx_slice name, int status) {
  static const cpx_slice ours[] = {
      {"connection", 10},        {"keep-alive", 10},     {"proxy-connection", 16}, {"te", 2},
      {"transfer-encoding", 17}, {"content-length", 14}, {"trailer", 7},           {"date", 4},
  };
  if (name.n > 17) return false;
  for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
    if (cpx_slice_ieq(name, ours[i])) return true;
  }
  return status != 426 && cpx_slice_ieq(name, CPX_SLICE("upgrade"));
}

static bool is_sound(const cpx_header *h) {
  for (size_t i = 0; i < h->name.n; i++) {
    if (!cpx_is_token_char(h->name.p[i])) return false;
  }
  return h->name.n > 0 && cpx_is_field_value(h->value);
}

/* Behind a reserve: nothing can fail. */
static void put(cpx_buf *b, const char *bytes, size_t n) {
  if (n) memcpy(b->data + b->len, bytes, n);
  b->len += n;
}

static void put_str(cpx_buf *b, const char *s) {
  put(b, s, strlen(s));
}

static void put_number(cpx_buf *b, uint64_t n) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + n % 10);
  } while (n /= 10);
  put(b, digits + at, sizeof digits - at);
}

static void put_headers(cpx_exchange *ex, cpx_buf *b, int status, const cpx_header *headers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const cpx_header *h = &headers[i];
    if (is_ours(h->name, status)) continue;
    if (!is_sound(h)) {
      cpx_log(CPX_LOG_WARN, "http: header %zu of an answer to %s was left out: its name or value would break the head",
              i, ex->peer);
      continue;
    }
    put(b, h->name.p, h->name.n);
    put(b, ": ", 2);
    put(b, h->value.p, h->value.n);
    put(b, "\r\n", 2);
  }
}

static int format_head(cpx_exchange *ex, cpx_buf *b, int status, const cpx_header *headers, size_t count) {
  size_t room = 320;
  for (size_t i = 0; i < count; i++) room += headers[i].name.n + headers[i].value.n + 4;
  int err = cpx_buf_reserve(b, room);
  if (err) return err;
  put_str(b, "HTTP/1.1 ");
  put_number(b, (uint64_t)status);
  put(b, " ", 1);
  put_str(b, reason_of(status));
  put(b, "\r\n", 2);
  put_headers(ex, b, status, headers, count);
  put_str(b, date_line(ex->server));
  if (ex->no_body) {
    /* 204 and 304 have neither */
  } else if (ex->length >= 0) {
    put_str(b, "Content-Length: ");
    put_number(b, (uint64_t)ex->length);
    put(b, "\r\n", 2);
  } else {
    put_str(b, "Transfer-Encoding: chunked\r\n");
  }
  if (status == 426)
    put_str(b, ex->close ? "Connection: upgrade, close\r\n" : "Connection: upgrade\r\n");
  else if (ex->close)
    put_str(b, "Connection: close\r\n");
  put(b, "\r\n", 2);
  return 0;
}

/* -- Out. */

/* To the connection; from now on the client must take some of it within the send time-out. */
static int transmit(cpx_exchange *ex, const void *bytes, size_t n) {
  cpx_link *link = ex->link;
  int err = cpx_conn_write(link->conn, bytes, n);
  if (err) {
    cpx_link_drop(link, true); /* nobody reads any more, or what came next would be read in the place of this */
    return err;
  }
  if (link->deadline == 0) cpx_link_deadline(link, link->server->options.send_timeout_ms);
  return ex->link ? 0 : CPX_ECLOSED;
}

static size_t chunk_size_line(char *line, size_t n) {
  return (size_t)snprintf(line, CHUNK_HEAD + 2, "%zx\r\n", n);
}

/* Sends what this turn collected: the head, the chunk, or both. */
static int send_out(cpx_exchange *ex) {
  cpx_buf *out = &ex->out;
  int err = 0;
  cpx_job_cancel(&ex->flush);
  if (ex->chunk_at != SIZE_MAX) {
    /* The size is written so that it ends where the data begins; the head, if any, moves up to it. */
    char line[CHUNK_HEAD + 2];
    size_t digits = chunk_size_line(line, out->len - ex->chunk_at - CHUNK_HEAD), gap = CHUNK_HEAD - digits;
    memcpy(out->data + ex->chunk_at + gap, line, digits);
    if (ex->chunk_at && gap) memmove(out->data + gap, out->data, ex->chunk_at);
    ex->chunk_at = SIZE_MAX;
    err = cpx_buf_add(out, "\r\n", 2);
    if (!err) err = transmit(ex, out->data + gap, out->len - gap);
  } else if (out->len) {
    err = transmit(ex, out->data, out->len);
  }
  cpx_buf_clear(out, OUT_KEEP);
  return err;
}

void cpx_exchange_on_flush(cpx_job *job) {
  cpx_exchange *ex = CPX_CONTAINER(job, cpx_exchange, flush);
  if (!ex->link) return;
  if (send_out(ex) == 0) cpx_conn_flush(ex->link->conn); /* else on_gone follows */
}

int cpx_exchange_head(cpx_exchange *ex, int status, const cpx_header *headers, size_t count, int64_t length) {
  if (!ex->link) return CPX_ECLOSED;
  if (ex->head_sent || status < 200 || status > 999) return CPX_EINVAL;
  ex->close = ex->close || ex->server->draining;
  ex->no_body = status == 204 || status == 304;
  ex->length = length;
  ex->chunks = length < 0 && !ex->no_body && !ex->head_only;
  /* A chunked answer's head leaves with its first chunk. */
  cpx_buf *b = ex->chunks ? &ex->out : &ex->server->scratch;
  int err = format_head(ex, b, status, headers, count);
  if (!err && !ex->chunks) err = transmit(ex, b->data, b->len);
  if (!ex->chunks) cpx_buf_clear(b, 4 * OUT_KEEP);
  if (err) return err;
  ex->head_sent = true;
  if (ex->chunks) cpx_loop_flush_later(ex->loop, &ex->flush);
  return 0;
}

static int write_chunk(cpx_exchange *ex, const void *bytes, size_t n) {
  cpx_buf *out = &ex->out;
  if (n >= CHUNK_JOINS) {
    char line[CHUNK_HEAD + 2];
    size_t digits = chunk_size_line(line, n);
    int err = send_out(ex);
    if (!err) err = transmit(ex, line, digits);
    if (!err) err = transmit(ex, bytes, n);
    return err ? err : transmit(ex, "\r\n", 2);
  }
  if (ex->chunk_at != SIZE_MAX && out->len - ex->chunk_at + n > CHUNK_JOINS) {
    int err = send_out(ex);
    if (err) return err;
  }
  int err = cpx_buf_reserve(out, CHUNK_HEAD + n + 2);
  if (err) return err;
  if (ex->chunk_at == SIZE_MAX) {
    ex->chunk_at = out->len;
    out->len += CHUNK_HEAD;
  }
  put(out, bytes, n);
  cpx_loop_flush_later(ex->loop, &ex->flush);
  return 0;
}

int cpx_exchange_write(cpx_exchange *ex, const void *bytes, size_t n) {
  if (!ex->link) return CPX_ECLOSED;
  if (!ex->head_sent) return CPX_EINVAL;
  bool bounded = ex->length >= 0 && !ex->no_body;
  if (bounded && n > (uint64_t)ex->length - ex->written) return CPX_EINVAL;
  if (n == 0) return 0;
  int err = 0;
  if (ex->chunks) {
    err = write_chunk(ex, bytes, n);
  } else if (bounded && !ex->head_only) {
    err = transmit(ex, bytes, n);
  }
  if (!err) ex->written += n;
  return err;
}

size_t cpx_exchange_pending(const cpx_exchange *ex) {
  return ex->link ? ex->out.len + cpx_conn_pending(ex->link->conn) : 0;
}

/* The last chunk goes in the same write as what is still collected. */
static int finish(cpx_exchange *ex) {
  if (!ex->head_sent) return CPX_EINVAL;
  if (!ex->chunks) {
    bool owes = ex->length >= 0 && !ex->no_body && !ex->head_only;
    return owes && ex->written != (uint64_t)ex->length ? CPX_EINVAL : 0;
  }
  int err = send_out(ex);
  return err ? err : transmit(ex, "0\r\n\r\n", 5);
}

void cpx_exchange_end(cpx_exchange *ex) {
  if (!ex->link) return;
  if (finish(ex)) {
    cpx_exchange_abort(ex);
    return;
  }
  cpx_link *link = ex->link;
  ex->ended = true;
  cpx_exchange_ref(ex);
  cpx_link_detach(link);
  cpx_link_answered(link, ex);
  cpx_exchange_unref(ex);
}

void cpx_exchange_abort(cpx_exchange *ex) {
  cpx_link *link = ex->link;
  if (!link) return;
  ex->ended = true;
  cpx_link_drop(link, true);
}

bool cpx_exchange_head_sent(const cpx_exchange *ex) {
  return ex->head_sent;
}

bool cpx_exchange_ended(const cpx_exchange *ex) {
  return ex->ended;
}

uint64_t cpx_exchange_written(const cpx_exchange *ex) {
  return ex->written;
}
