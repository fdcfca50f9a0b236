/* bench_load: keep-alive connections that ask again as soon as an answer is
 * whole, and one line of JSON about what came back.
 *
 *   bench_load --to ADDRESS [--to ADDRESS]… [--path P] [--data TEXT | --body FILE] [--header "A: b"]… [--connections N]
 *              [--requests N | --seconds S] [--warm N] [--think MS] [--ramp US] [--expect STATUS] [--contains TEXT]
 * [--same]
 *              [--stamps] [--pids P,P] [--report-at S]
 *
 * With several --to, one connection each takes its turn, request by request (paired rounds): `targets` lists their
 * latencies. Latency runs from the write of the request to the last byte of its answer. An event is what a blank line
 * ends; its gap the time since the one before in the same answer. --stamps reads the mock's time stamps: the age of
 * each event at arrival.
 * --contains must stand in each answer's last 64 bytes; --same holds all bodies equal to the first. Exit 0 unless
 * misused: look at `errors`. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "load_options.h"
#include "wire.h"

enum { HEAD_MAX = 16384, TAIL = 64, TARGETS = LOAD_TARGETS_MAX };
enum state { HEAD, BODY, TO_CLOSE, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, WHOLE };

struct client {
  struct wire_conn *conn;
  struct wire_timer timer;
  size_t target;
  enum state state;
  char head[HEAD_MAX];
  size_t head_length;
  char tail[TAIL];
  size_t tail_length;
  uint64_t left, body, hash; /* left: of the body or chunk */
  uint64_t sent_at, event_at;
  int status, newlines, stamp_at;
  char stamp[24];
  bool asking, first, closes;
};

static struct {
  uint64_t started, asked, done, errors, bytes, events, begun, hash, statuses[600];
  bool measuring, over;
  size_t waiting, open;
  char why[160];
  struct load_series latency[TARGETS], first, gap, age;
} run;

static struct wire_loop loop;
static struct client *clients;
static const struct wire_events client_events;
static void ask(struct client *client);

/* -- the run ---------------------------------------------------------------------------------------------------- */

static void begin(void) {
  run.measuring = true;
  run.begun = wire_clock();
  run.bytes = run.events = 0;
  for (size_t i = 0; i < TARGETS; i++) load_clear(&run.latency[i]);
  load_clear(&run.first);
  load_clear(&run.gap);
  load_clear(&run.age);
  load_cpu_begin(&load_opt.cpu);
}

static void report(uint64_t now) {
  uint64_t cpu = load_cpu_used(&load_opt.cpu), done = run.done > load_opt.warm ? run.done - load_opt.warm : 0;
  printf(
      "{\"requests\":%llu,\"errors\":%llu,\"seconds\":%.6f,\"bytes\":%llu,\"events\":%llu,\"open\":%zu,\"cpu_ns\":%llu",
      (unsigned long long)done, (unsigned long long)run.errors, (double)(now - run.begun) / 1e9,
      (unsigned long long)run.bytes, (unsigned long long)run.events, run.open, (unsigned long long)cpu);
  load_print_series(stdout, "latency", &run.latency[0]);
  load_print_series(stdout, "first", &run.first);
  load_print_series(stdout, "gap", &run.gap);
  load_print_series(stdout, "age", &run.age);
  if (load_opt.targets > 1) {
    printf(",\"targets\":[{\"n\":0");
    for (size_t i = 0; i < load_opt.targets; i++) {
      if (i > 0) printf("},{\"n\":%zu", i);
      load_print_series(stdout, "latency", &run.latency[i]);
    }
    printf("}]");
  }
  const char *comma = "";
  printf(",\"statuses\":{");
  for (int i = 0; i < 600; i++) {
    if (run.statuses[i] == 0) continue;
    printf("%s\"%d\":%llu", comma, i, (unsigned long long)run.statuses[i]);
    comma = ",";
  }
  printf("},\"first_error\":\"%s\"}\n", run.why);
  fflush(stdout);
}

static void finish(void) {
  run.over = true;
  wire_stop(&loop);
}

static void open_client(struct client *client) {
  size_t t = client->target;
  client->conn = wire_connect(&loop, &load_opt.address[t], load_opt.address_size[t], &client_events, client);
  if (client->conn != NULL) {
    run.open++;
    return;
  }
  run.errors++;
  snprintf(run.why, sizeof(run.why), "connect: %s", strerror(errno));
  finish();
}

static void failed(struct client *client, const char *what, int number) {
  run.errors++;
  if (run.why[0] == '\0') {
    snprintf(run.why, sizeof(run.why), "%s (%d) after %llu bytes, status %d", what, number,
             (unsigned long long)client->body, client->status);
  }
}

static bool enough(void) {
  if (load_opt.requests > 0 && run.asked >= load_opt.requests + load_opt.warm) return true;
  return load_opt.duration > 0 && run.measuring && wire_clock() - run.begun >= load_opt.duration;
}

static void on_turn(struct wire_timer *timer) {
  ask(timer->data);
}

/* An answer is over, well or not: who asks next? */
static void settle(struct client *client) {
  run.done++;
  run.waiting--;
  if (!run.measuring && run.done >= load_opt.warm) begin();
  struct client *next = client;
  if (load_opt.targets > 1) next = &clients[(client->target + 1) % load_opt.targets];
  if (enough()) {
    if (run.waiting == 0) finish();
    return;
  }
  next->timer.fn = on_turn;
  next->timer.data = next;
  wire_timer_start(&loop, &next->timer, load_opt.think > 0 ? wire_clock() + load_opt.think : 0);
}

static void ask(struct client *client) {
  if (enough() && !client->asking) {
    if (run.waiting == 0) finish();
    return;
  }
  if (client->conn == NULL) {
    open_client(client);
    if (run.over) return;
  }
  run.asked++;
  run.waiting++;
  client->asking = client->first = true;
  client->state = HEAD;
  client->head_length = client->tail_length = 0;
  client->body = client->event_at = 0;
  client->hash = 14695981039346656037u;
  client->status = client->newlines = client->stamp_at = 0;
  client->sent_at = wire_clock();
  wire_write(client->conn, load_opt.request, load_opt.request_length);
}

/* -- answers ---------------------------------------------------------------------------------------------------- */

static void drop(struct client *client) {
  if (client->conn == NULL) return;
  wire_close(client->conn, false);
  client->conn = NULL;
  run.open--;
}

static void answered(struct client *client) {
  uint64_t now = wire_clock();
  client->asking = false;
  if (client->status >= 0 && client->status < 600) run.statuses[client->status]++;
  if (client->status != load_opt.expect)
    failed(client, "unexpected status", client->status);
  else if (load_opt.contains != NULL &&
           memmem(client->tail, client->tail_length, load_opt.contains, strlen(load_opt.contains)) == NULL)
    failed(client, "the answer does not end as it should", 0);
  else if (load_opt.same && run.hash != 0 && run.hash != client->hash)
    failed(client, "a body that differs from the first", 0);
  run.hash = client->hash;
  load_sample(&run.latency[client->target], now - client->sent_at);
  if (client->closes) drop(client);
  settle(client);
}

static void keep_tail(struct client *client, const char *data, size_t length) {
  if (length >= TAIL) {
    memcpy(client->tail, data + length - TAIL, TAIL);
    client->tail_length = TAIL;
    return;
  }
  size_t keep = client->tail_length + length > TAIL ? TAIL - length : client->tail_length;
  memmove(client->tail, client->tail + client->tail_length - keep, keep);
  memcpy(client->tail + keep, data, length);
  client->tail_length = keep + length;
}

/* "fp_" and 19 digits, wherever pieces were cut. */
static void stamp_byte(struct client *client, char c) {
  if (client->stamp_at < 3) {
    if (c == "fp_"[client->stamp_at])
      client->stamp_at++;
    else
      client->stamp_at = c == 'f';
    return;
  }
  if (c < '0' || c > '9') {
    client->stamp_at = 0;
    return;
  }
  client->stamp[client->stamp_at++ - 3] = c;
  if (client->stamp_at < 22) return;
  client->stamp[19] = '\0';
  uint64_t stamp = strtoull(client->stamp, NULL, 10);
  client->stamp_at = 0;
  if (stamp > 0 && loop.now > stamp) load_sample(&run.age, loop.now - stamp);
}

static void body_bytes(struct client *client, const char *data, size_t length) {
  if (client->first && length > 0) {
    client->first = false;
    load_sample(&run.first, loop.now - client->sent_at);
  }
  client->body += length;
  run.bytes += length;
  if (load_opt.contains != NULL) keep_tail(client, data, length);
  if (load_opt.same) {
    for (size_t i = 0; i < length; i++) client->hash = (client->hash ^ (unsigned char)data[i]) * 1099511628211u;
  }
  if (load_opt.stamps) {
    for (size_t i = 0; i < length; i++) stamp_byte(client, data[i]);
  }
  for (const char *p = data, *end = data + length; p < end; p++) {
    if (*p != '\n') {
      if (*p != '\r') {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        client->newlines = 0;
        if (newline == NULL) break;
        p = newline - 1;
      }
      continue;
    }
    if (++client->newlines < 2) continue;
    client->newlines = 0;
    run.events++;
    if (client->event_at != 0) load_sample(&run.gap, loop.now - client->event_at);
    client->event_at = loop.now;
  }
}

static const char *find_header(const char *head, const char *name) {
  for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, strlen(name)) == 0 && line[2 + strlen(name)] == ':') return line + 3 + strlen(name);
  }
  return NULL;
}

/* Bytes of `data` that belong to the head. */
static size_t take_head(struct client *client, const char *data, size_t length) {
  size_t before = client->head_length, room = HEAD_MAX - 1 - before, n = length < room ? length : room;
  memcpy(client->head + before, data, n);
  client->head_length += n;
  client->head[client->head_length] = '\0';
  char *end = memmem(client->head, client->head_length, "\r\n\r\n", 4);
  if (end == NULL) return n;
  size_t used = (size_t)(end + 4 - client->head) - before;
  end[2] = '\0';
  client->status = client->head_length > 12 ? (int)strtol(client->head + 9, NULL, 10) : 0;
  const char *size = find_header(client->head, "content-length"), *connection = find_header(client->head, "connection");
  client->closes = connection != NULL && strncasecmp(connection, " close", 6) == 0;
  client->head_length = 0;
  if (client->status == 100) return used;
  if (find_header(client->head, "transfer-encoding") != NULL) {
    client->state = CHUNK_SIZE;
    client->left = 0;
  } else if (size != NULL) {
    client->left = strtoull(size, NULL, 10);
    client->state = client->left > 0 ? BODY : WHOLE;
  } else {
    client->state = TO_CLOSE;
    client->closes = true;
  }
  return used;
}

static size_t take_chunk_size(struct client *client, const char *data, size_t length) {
  size_t i = 0;
  while (i < length && data[i] != '\n') {
    char c = data[i++];
    if (c == '\r') continue;
    client->left = client->left * 16 + (uint64_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
  }
  if (i == length) return i;
  client->state = client->left > 0 ? CHUNK_DATA : TRAILER;
  return i + 1;
}

static size_t take_body(struct client *client, const char *data, size_t length) {
  size_t n = client->left < length ? (size_t)client->left : length;
  body_bytes(client, data, n);
  client->left -= n;
  if (client->left == 0) client->state = client->state == BODY ? WHOLE : CHUNK_END;
  return n;
}

static size_t take(struct client *client, const char *data, size_t length) {
  switch (client->state) {
  case HEAD: return take_head(client, data, length);
  case CHUNK_SIZE: return take_chunk_size(client, data, length);
  case BODY:
  case CHUNK_DATA: return take_body(client, data, length);
  case TO_CLOSE: body_bytes(client, data, length); return length;
  case CHUNK_END:
    if (*data == '\n') client->state = CHUNK_SIZE;
    return 1;
  case TRAILER: /* no trailers are expected: the first line is empty */
    if (*data == '\n') client->state = WHOLE;
    return 1;
  case WHOLE: return 0;
  }
  return 0;
}

static void on_data(struct wire_conn *conn, const char *data, size_t length) {
  struct client *client = conn->data;
  while (length > 0 && client->asking && client->state != WHOLE) {
    size_t n = take(client, data, length);
    data += n;
    length -= n;
  }
  if (client->asking && client->state == WHOLE) answered(client);
}

static void on_close(struct wire_conn *conn, int error) {
  struct client *client = conn->data;
  client->conn = NULL;
  run.open--;
  if (!client->asking) return;
  if (client->state == TO_CLOSE && error == 0) {
    answered(client);
    return;
  }
  client->asking = false;
  failed(client, client->state == HEAD ? "closed before an answer" : "closed in an answer", error);
  settle(client);
}

static const struct wire_events client_events = {.on_data = on_data, .on_close = on_close};

/* -- start and end ------------------------------------------------------------------------------------------------- */

static void on_report(struct wire_timer *timer) {
  (void)timer;
  report(wire_clock());
}

int main(int argc, char **argv) {
  struct rlimit files;
  load_options_read(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  wire_init(&loop);
  clients = wire_alloc(load_opt.connections * sizeof(struct client));
  if (load_opt.warm == 0) begin();
  for (size_t i = 0; i < load_opt.connections; i++) {
    struct client *client = &clients[i];
    client->target = load_opt.targets > 1 ? i : 0;
    client->timer = (struct wire_timer){.fn = on_turn, .data = client};
    if (load_opt.targets == 1 || i == 0) wire_timer_start(&loop, &client->timer, loop.now + i * load_opt.ramp);
  }
  struct wire_timer early = {.fn = on_report};
  if (load_opt.report_at > 0) wire_timer_start(&loop, &early, loop.now + load_opt.report_at);
  wire_run(&loop);
  report(wire_clock());
  return 0;
}
