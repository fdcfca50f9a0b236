/* bench_mock: an upstream that does what it is told. See mock_plan.h for plans, bench/README.md for the keys.
 *
 *   bench_mock [--listen ADDRESS] [--tls CERT KEY] [--files FOLDER]
 *
 * Prints "listening on PORT" once it can be reached. GET /__stats tells what it has
 * seen; GET /__last the head of the latest request. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "mock_plan.h"
#include "wire.h"

struct client {
  struct wire_conn *conn;
  struct mock_bytes in;
  struct mock_plan plan;
  struct mock_bytes body; /* of a split answer, framed */
  size_t sent;
  long index; /* next event of a paced stream */
  uint64_t due;
  size_t head_length, body_start, request_length;
  struct wire_timer timer;
  bool busy, last;
  unsigned random;
};

static struct wire_loop loop;
static const char *files = ".";
static struct { unsigned long connections, open, requests, active, aborted, body_bytes; } stats;
static struct mock_bytes last_head;
static struct mock_bytes cached; /* the latest burst made up, with its plan: thousands of equal ones are asked for */
static struct mock_plan cached_plan;

static void on_data(struct wire_conn *conn, const char *data, size_t length);
static void next_request(struct client *client);

static void client_free(struct client *client) {
  wire_timer_stop(&loop, &client->timer);
  free(client->in.data);
  free(client->body.data);
  free(client);
  stats.open--;
}

static void on_close(struct wire_conn *conn, int error) {
  (void)error;
  struct client *client = conn->data;
  if (client->busy) {
    stats.aborted++;
    stats.active--;
  }
  client_free(client);
}

static void hang_up(struct client *client, bool reset) {
  if (client->busy) stats.active--;
  wire_close(client->conn, reset);
  client_free(client);
}

static void done(struct client *client) {
  if (client->last) {
    hang_up(client, false);
    return;
  }
  client->busy = false;
  stats.active--;
  free(client->body.data);
  client->body = (struct mock_bytes){0};
  client->in.length -= client->request_length;
  memmove(client->in.data, client->in.data + client->request_length, client->in.length);
  if (client->in.length > 0) next_request(client);
}

/* -- answers ---------------------------------------------------------------------------------------------------- */

static const char *content_type(const struct mock_plan *plan) {
  if (plan->type[0]) return plan->type;
  if (plan->html) return "text/html";
  return plan->stream && plan->status == 200 ? "text/event-stream" : "application/json";
}

static void add_head(struct client *client, struct mock_bytes *out, long length) {
  const struct mock_plan *plan = &client->plan;
  mock_printf(out, "HTTP/1.1 %d Mock\r\ncontent-type: %s\r\nx-ratelimit-remaining-requests: 99\r\n", plan->status,
              content_type(plan));
  if (plan->retry_after[0]) mock_printf(out, "retry-after: %s\r\n", plan->retry_after);
  if (plan->hash) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = client->body_start; i < client->request_length; i++)
      hash = (hash ^ (unsigned char)client->in.data[i]) * 1099511628211u;
    mock_printf(out, "x-request-id: %016llx-%zu\r\n", (unsigned long long)hash,
                client->request_length - client->body_start);
  }
  if (plan->plain_close)
    mock_printf(out, "connection: close\r\n\r\n");
  else if (length >= 0)
    mock_printf(out, "content-length: %ld\r\n\r\n", plan->lie ? length + 100 : length);
  else
    mock_printf(out, "transfer-encoding: chunked\r\n\r\n");
}

static void add_chunk(const struct client *client, struct mock_bytes *out, const char *data, size_t length) {
  if (client->plan.plain_close) {
    mock_add(out, data, length);
    return;
  }
  mock_printf(out, "%zx\r\n", length);
  mock_add(out, data, length);
  mock_add(out, "\r\n", 2);
}

static void send_paced(struct wire_timer *timer) {
  struct client *client = timer->data;
  const struct mock_plan *plan = &client->plan;
  static struct mock_bytes event, framed;
  event.length = framed.length = 0;
  bool ends = client->index >= plan->events, cut = plan->cut >= 0 && client->index >= plan->cut;
  if (cut) {
    hang_up(client, plan->reset);
    return;
  }
  if (ends)
    mock_stream_end(plan, &event);
  else
    mock_stream_event(plan, &event, client->index, wire_clock());
  client->index++;
  add_chunk(client, &framed, event.data, event.length);
  if (ends && !plan->plain_close) mock_add(&framed, "0\r\n\r\n", 5);
  wire_write(client->conn, framed.data, framed.length);
  if (ends) {
    done(client);
    return;
  }
  client->due += (uint64_t)plan->pace_us * 1000;
  wire_timer_start(&loop, &client->timer, client->due);
}

static void start_paced(struct client *client) {
  struct mock_bytes out = {0}, first = {0};
  add_head(client, &out, -1);
  mock_stream_start(&client->plan, &first);
  if (first.length > 0) add_chunk(client, &out, first.data, first.length);
  wire_write(client->conn, out.data, out.length);
  free(out.data);
  free(first.data);
  client->index = 0;
  client->due = wire_clock() + (uint64_t)client->plan.pace_us * 1000;
  client->timer.fn = send_paced;
  wire_timer_start(&loop, &client->timer, client->due);
}

/* One piece a turn of the loop, so that each leaves in a write (and, with no delay set, a segment) of its own. */
static void send_split(struct wire_timer *timer) {
  struct client *client = timer->data;
  const struct mock_plan *plan = &client->plan;
  size_t left = client->body.length - client->sent, piece = left;
  if (plan->split > 0) piece = (size_t)plan->split;
  if (plan->split < 0) piece = 1 + (size_t)rand_r(&client->random) % ((size_t)rand_r(&client->random) % 997 + 1);
  if (piece > left) piece = left;
  wire_write(client->conn, client->body.data + client->sent, piece);
  client->sent += piece;
  if (client->sent < client->body.length)
    wire_timer_start(&loop, timer, loop.now);
  else if (plan->cut >= 0 || plan->lie)
    hang_up(client, plan->reset);
  else
    done(client);
}

static void send_bytes(struct client *client, struct mock_bytes *out, size_t body_from) {
  const struct mock_plan *plan = &client->plan;
  if (plan->cut >= 0 && body_from + (size_t)plan->cut < out->length) out->length = body_from + (size_t)plan->cut;
  client->body = *out;
  client->sent = 0;
  client->random = (unsigned)plan->seed;
  client->timer.fn = send_split;
  send_split(&client->timer);
}

static bool read_file(const char *name, struct mock_bytes *into) {
  char path[1024], block[65536];
  snprintf(path, sizeof(path), "%s/%s", files, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n;
  while ((n = read(fd, block, sizeof(block))) > 0) mock_add(into, block, (size_t)n);
  close(fd);
  return n == 0;
}

static void make_burst(struct client *client, struct mock_bytes *out) {
  struct mock_bytes event = {0};
  mock_stream_start(&client->plan, &event);
  if (event.length > 0) add_chunk(client, out, event.data, event.length);
  for (long i = 0; i < client->plan.events; i++) {
    event.length = 0;
    mock_stream_event(&client->plan, &event, i, 0);
    add_chunk(client, out, event.data, event.length);
  }
  event.length = 0;
  mock_stream_end(&client->plan, &event);
  add_chunk(client, out, event.data, event.length);
  if (!client->plan.plain_close) mock_add(out, "0\r\n\r\n", 5);
  free(event.data);
}

static void answer_burst(struct client *client) {
  const struct mock_plan *plan = &client->plan;
  if (memcmp(plan, &cached_plan, sizeof(*plan)) != 0) {
    cached.length = 0;
    make_burst(client, &cached);
    cached_plan = *plan;
  }
  struct mock_bytes out = {0};
  add_head(client, &out, -1);
  size_t body_from = out.length;
  mock_add(&out, cached.data, cached.length);
  send_bytes(client, &out, body_from);
}

static void echo(struct client *client, struct mock_bytes *body) {
  mock_printf(body, "{\"id\":\"chatcmpl-echo\",\"object\":\"chat.completion\",\"model\":\"mock\",\"request_hex\":\"");
  for (size_t i = 0; i < client->request_length; i++) mock_printf(body, "%02x", (unsigned char)client->in.data[i]);
  mock_printf(body, "\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_"
                    "reason\":\"stop\"}]}");
}

static void answer_whole(struct client *client) {
  struct mock_plan *plan = &client->plan;
  struct mock_bytes out = {0}, body = {0};
  if (plan->file[0] && !read_file(plan->file, &body)) {
    plan->status = 599;
    mock_printf(&body, "{\"error\":\"no such file: %s\"}", plan->file);
  } else if (plan->echo)
    echo(client, &body);
  else if (plan->html)
    mock_printf(&body, "<html><head><title>%d Bad Gateway</title></head><body>nginx</body></html>\n", plan->status);
  else if (!plan->file[0] && !plan->empty)
    mock_whole(plan, &body);
  bool chunked = plan->file[0] && strstr(content_type(plan), "event-stream") != NULL;
  add_head(client, &out, chunked ? -1 : (long)body.length);
  size_t body_from = out.length;
  if (chunked) {
    if (body.length > 0) add_chunk(client, &out, body.data, body.length);
    if (!plan->plain_close) mock_add(&out, "0\r\n\r\n", 5);
  } else
    mock_add(&out, body.data ? body.data : "", body.length);
  free(body.data);
  send_bytes(client, &out, body_from);
}

static void answer(struct wire_timer *timer) {
  struct client *client = timer->data;
  struct mock_plan *plan = &client->plan;
  if (plan->never) return;
  if (plan->bad) plan->status = 599;
  if (plan->plain_close) client->last = true;
  if (plan->garbage) {
    wire_write(client->conn, "\x16\x03\x01 this is not HTTP\r\n\r\n", 24);
    hang_up(client, false);
  } else if (plan->reset && plan->cut < 0)
    hang_up(client, true);
  else if (plan->file[0] || !plan->stream || plan->status != 200 || plan->html || plan->empty || plan->echo)
    answer_whole(client);
  else if (plan->pace_us > 0)
    start_paced(client);
  else
    answer_burst(client);
}

static void answer_stats(struct client *client, bool last) {
  char text[512];
  struct mock_bytes out = {0};
  if (last) {
    mock_printf(&out, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n", last_head.length);
    mock_add(&out, last_head.data ? last_head.data : "", last_head.length);
  } else {
    int n = snprintf(
        text, sizeof(text),
        "{\"connections\":%lu,\"open\":%lu,\"requests\":%lu,\"active\":%lu,\"aborted\":%lu,\"body_bytes\":%lu}\n",
        stats.connections, stats.open, stats.requests, stats.active - 1, stats.aborted, stats.body_bytes);
    mock_printf(&out, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s", n, text);
  }
  client->plan = (struct mock_plan){.cut = -1};
  send_bytes(client, &out, 0);
}

/* -- requests --------------------------------------------------------------------------------------------------- */

static const char *header(const char *head, size_t length, const char *name) {
  size_t size = strlen(name);
  for (const char *p = head; (p = memchr(p, '\n', length - (size_t)(p - head))) != NULL; p++) {
    if (length - (size_t)(p - head) > size + 1 && strncasecmp(p + 1, name, size) == 0 && p[1 + size] == ':')
      return p + 2 + size;
  }
  return NULL;
}

/* Whether the request is whole; sets its length. A chunked body is not taken apart: its end is all that matters here.
 */
static bool whole(struct client *client) {
  const char *end = memmem(client->in.data, client->in.length, "\r\n\r\n", 4);
  if (end == NULL) return false;
  client->head_length = client->body_start = (size_t)(end - client->in.data) + 4;
  const char *length = header(client->in.data, client->head_length, "content-length");
  if (length != NULL)
    client->request_length = client->body_start + strtoul(length, NULL, 10);
  else if (header(client->in.data, client->head_length, "transfer-encoding") != NULL) {
    const char *body = client->in.data + client->body_start;
    const char *last = memmem(body, client->in.length - client->body_start, "0\r\n\r\n", 5);
    if (last == NULL) return false;
    client->request_length = (size_t)(last - client->in.data) + 5;
  } else
    client->request_length = client->body_start;
  return client->in.length >= client->request_length;
}

static void next_request(struct client *client) {
  if (!whole(client)) return;
  client->busy = true;
  stats.active++;
  client->timer.data = client;
  if (strncmp(client->in.data, "GET /__", 7) == 0) {
    answer_stats(client, strncmp(client->in.data, "GET /__last", 11) == 0);
    return;
  }
  stats.requests++;
  stats.body_bytes += client->request_length - client->body_start;
  last_head.length = 0;
  mock_add(&last_head, client->in.data, client->head_length);
  client->last = header(client->in.data, client->head_length, "connection") != NULL &&
                 memmem(client->in.data, client->head_length, ": close\r\n", 9) != NULL;
  mock_plan_read(&client->plan, client->in.data, client->head_length, client->in.data + client->body_start,
                 client->request_length - client->body_start);
  if (client->plan.delay_ms > 0) {
    client->timer.fn = answer;
    wire_timer_start(&loop, &client->timer, loop.now + (uint64_t)client->plan.delay_ms * 1000000);
  } else
    answer(&client->timer);
}

static void on_data(struct wire_conn *conn, const char *data, size_t length) {
  struct client *client = conn->data;
  if (client->in.length == 0 && length > 0 && data[0] == 0x16) { /* TLS where plain HTTP is spoken */
    hang_up(client, false);
    return;
  }
  mock_add(&client->in, data, length);
  if (!client->busy) next_request(client);
}

static const struct wire_events client_events = {.on_data = on_data, .on_close = on_close};

static void on_accept(struct wire_listener *listener, int fd) {
  struct client *client = wire_alloc(sizeof(*client));
  client->conn = wire_adopt(listener->loop, fd, listener->tls, &client_events, client);
  stats.connections++;
  stats.open++;
}

static void on_signal(int number) {
  (void)number;
  wire_stop(&loop);
}

int main(int argc, char **argv) {
  const char *address = "127.0.0.1:0";
  struct wire_listener listener = {.on_accept = on_accept};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc)
      address = argv[++i];
    else if (strcmp(argv[i], "--files") == 0 && i + 1 < argc)
      files = argv[++i];
    else if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
      listener.tls = SSL_CTX_new(TLS_server_method());
      if (SSL_CTX_use_certificate_chain_file(listener.tls, argv[i + 1]) != 1 ||
          SSL_CTX_use_PrivateKey_file(listener.tls, argv[i + 2], SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "bench_mock: cannot use %s with %s\n", argv[i + 1], argv[i + 2]);
        return 1;
      }
      SSL_CTX_set_mode(listener.tls,
                       SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
      i += 2;
    } else {
      fprintf(stderr, "usage: bench_mock [--listen ADDRESS] [--tls CERT KEY] [--files FOLDER]\n");
      return 2;
    }
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, on_signal);
  signal(SIGINT, on_signal);
  wire_init(&loop);
  int error = wire_listen(&loop, &listener, address);
  if (error) {
    fprintf(stderr, "bench_mock: %s: %s\n", address, strerror(-error));
    return 1;
  }
  printf("listening on %d\n", wire_port(&listener));
  fflush(stdout);
  wire_run(&loop);
  return 0;
}
