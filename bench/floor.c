/* bench_floor: what a proxy of libuv and libcurl costs before it does anything: no parser, no Lua, no JSON.
 *
 *   bench_floor LISTEN_PORT UPSTREAM_URL        "http://127.0.0.1:9000": the path of each request is appended
 *
 * Trusts its clients (bench_load): Content-Length or no body, keep-alive, one request at a time.
 * The head goes up and down with its content type alone. All output of one turn of the loop
 * leaves in one write per connection, as cliproxy's does. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

struct buffer {
  char *data;
  size_t length, room;
};

struct client {
  uv_tcp_t tcp;
  uv_write_t write;
  struct buffer in, out, leaving;
  size_t request; /* length of the request at the front of `in` */
  struct client *next_dirty;
  CURL *easy;
  struct curl_slist *headers;
  char type[128];
  long long length;
  bool dirty, busy, writing, head_sent, closed;
};

static uv_loop_t *loop;
static CURLM *multi;
static uv_timer_t curl_timer;
static uv_check_t flusher;
static uv_idle_t awake;
static struct client *dirty;
static const char *upstream;
static CURL *spare[256];
static size_t spares;

static void add(struct buffer *b, const void *data, size_t length) {
  if (b->length + length > b->room) {
    b->room = (b->length + length) * 2;
    b->data = realloc(b->data, b->room);
    if (b->data == NULL) abort();
  }
  // cppcheck-suppress uninitvar
  memcpy(b->data + b->length, data, length);
  b->length += length;
}

static void start(struct client *client);
static void mark(struct client *client);

/* -- to the client ---------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
  struct client *client = handle->data;
  free(client->in.data);
  free(client->out.data);
  free(client->leaving.data);
  curl_slist_free_all(client->headers);
  free(client);
}

static void hang_up(struct client *client) {
  if (client->closed) return;
  client->closed = true;
  if (client->easy != NULL) {
    curl_multi_remove_handle(multi, client->easy);
    curl_easy_cleanup(client->easy);
    client->easy = NULL;
  }
  if (!client->dirty) uv_close((uv_handle_t *)&client->tcp, on_closed);
}

static void on_written(uv_write_t *request, int status) {
  struct client *client = request->data;
  client->writing = false;
  client->leaving.length = 0;
  if (status < 0)
    hang_up(client);
  else if (client->out.length > 0)
    mark(client);
}

static void flush(struct client *client) {
  if (client->closed || client->writing || client->out.length == 0) return;
  uv_buf_t buf = uv_buf_init(client->out.data, (unsigned)client->out.length);
  int n = uv_try_write((uv_stream_t *)&client->tcp, &buf, 1);
  size_t sent = n > 0 ? (size_t)n : 0;
  if (n < 0 && n != UV_EAGAIN) {
    hang_up(client);
    return;
  }
  if (sent < client->out.length) {
    client->leaving.length = 0;
    add(&client->leaving, client->out.data + sent, client->out.length - sent);
    client->writing = true;
    client->write.data = client;
    buf = uv_buf_init(client->leaving.data, (unsigned)client->leaving.length);
    uv_write(&client->write, (uv_stream_t *)&client->tcp, &buf, 1, on_written);
  }
  client->out.length = 0;
}

static void flush_all(uv_check_t *check) {
  (void)check;
  uv_idle_stop(&awake);
  while (dirty != NULL) {
    struct client *client = dirty;
    dirty = client->next_dirty;
    client->dirty = false;
    if (client->closed)
      uv_close((uv_handle_t *)&client->tcp, on_closed);
    else
      flush(client);
  }
}

static void keep_awake(uv_idle_t *idle) {
  (void)idle;
}

static void mark(struct client *client) {
  if (client->dirty) return;
  client->dirty = true;
  client->next_dirty = dirty;
  dirty = client;
  uv_idle_start(&awake, keep_awake); /* curl may call from a timer: have this turn's check run at once */
}

/* -- from the upstream ------------------------------------------------------------------------------------------ */

static void send_head(struct client *client) {
  char head[512];
  long status = 0;
  curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
  int n = snprintf(head, sizeof(head), "HTTP/1.1 %ld OK\r\ncontent-type: %s\r\n", status, client->type);
  add(&client->out, head, (size_t)n);
  n = client->length >= 0 ? snprintf(head, sizeof(head), "content-length: %lld\r\n\r\n", client->length)
                          : snprintf(head, sizeof(head), "transfer-encoding: chunked\r\n\r\n");
  add(&client->out, head, (size_t)n);
  client->head_sent = true;
}

static size_t on_header(char *data, size_t size, size_t count, void *user) {
  struct client *client = user;
  size_t length = size * count;
  if (length > 14 && strncasecmp(data, "content-type: ", 14) == 0 && length < sizeof(client->type) + 14)
    snprintf(client->type, sizeof(client->type), "%.*s", (int)(length - 16), data + 14);
  if (length > 16 && strncasecmp(data, "content-length: ", 16) == 0) client->length = strtoll(data + 16, NULL, 10);
  return length;
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
  struct client *client = user;
  size_t length = size * count;
  char line[24];
  if (!client->head_sent) send_head(client);
  if (client->length < 0) add(&client->out, line, (size_t)snprintf(line, sizeof(line), "%zx\r\n", length));
  add(&client->out, data, length);
  if (client->length < 0) add(&client->out, "\r\n", 2);
  mark(client);
  if (client->out.length >= 65536) flush(client); /* or a burst would pile up in memory */
  return length;
}

static void collect(void) {
  int left;
  for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
    struct client *client = NULL;
    CURL *easy = message->easy_handle;
    CURLcode result = message->data.result;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&client);
    if (!client->head_sent && result == CURLE_OK) send_head(client);
    curl_multi_remove_handle(multi, easy);
    if (spares < 256)
      spare[spares++] = easy;
    else
      curl_easy_cleanup(easy);
    client->easy = NULL;
    client->busy = false;
    if (result != CURLE_OK) {
      fprintf(stderr, "bench_floor: %s\n", curl_easy_strerror(result));
      hang_up(client);
      continue;
    }
    if (client->length < 0) add(&client->out, "0\r\n\r\n", 5);
    mark(client);
    client->in.length -= client->request;
    memmove(client->in.data, client->in.data + client->request, client->in.length);
    if (client->in.length > 0) start(client);
  }
}

/* -- to the upstream -------------------------------------------------------------------------------------------- */

static CURL *take_easy(void) {
  if (spares > 0) return spare[--spares];
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 65536L);
  return easy;
}

static void start(struct client *client) {
  char url[1024], *data = client->in.data;
  const char *end = memmem(data, client->in.length, "\r\n\r\n", 4);
  if (end == NULL || client->busy) return;
  size_t head = (size_t)(end - data) + 4, body = 0;
  const char *length = memmem(data, head, "content-length: ", 16);
  if (length != NULL) body = strtoul(length + 16, NULL, 10);
  if (client->in.length < head + body) return;
  client->request = head + body;
  client->busy = true;
  client->head_sent = false;
  client->length = -1;
  const char *path = strchr(data, ' ') + 1;
  snprintf(url, sizeof(url), "%s%.*s", upstream, (int)(strchr(path, ' ') - path), path);
  client->easy = take_easy();
  if (client->headers == NULL) {
    client->headers = curl_slist_append(NULL, "content-type: application/json");
    client->headers = curl_slist_append(client->headers, "expect:");
  }
  curl_easy_setopt(client->easy, CURLOPT_URL, url);
  curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers);
  curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, data + head);
  curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body);
  curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, client);
  curl_easy_setopt(client->easy, CURLOPT_HEADERDATA, client);
  curl_easy_setopt(client->easy, CURLOPT_PRIVATE, client);
  curl_multi_add_handle(multi, client->easy);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0), running;
  if (status < 0) flags = CURL_CSELECT_ERR;
  curl_multi_socket_action(multi, (curl_socket_t)(intptr_t)poll->data, flags, &running);
  collect();
}

static void on_curl_timer(uv_timer_t *timer) {
  (void)timer;
  int running;
  curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
  collect();
}

static int set_timer(CURLM *m, long ms, void *user) {
  (void)m, (void)user;
  if (ms < 0)
    uv_timer_stop(&curl_timer);
  else
    uv_timer_start(&curl_timer, on_curl_timer, (uint64_t)ms, 0);
  return 0;
}

static void free_poll(uv_handle_t *handle) {
  free(handle);
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket) {
  (void)easy, (void)user;
  uv_poll_t *poll = socket;
  if (what == CURL_POLL_REMOVE) {
    if (poll != NULL) uv_close((uv_handle_t *)poll, free_poll);
    curl_multi_assign(multi, fd, NULL);
    return 0;
  }
  if (poll == NULL) {
    poll = calloc(1, sizeof(*poll));
    if (poll == NULL) abort();
    uv_poll_init(loop, poll, fd);
    poll->data = (void *)(intptr_t)fd;
    curl_multi_assign(multi, fd, poll);
  }
  uv_poll_start(poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0), on_poll);
  return 0;
}

/* -- from the client -------------------------------------------------------------------------------------------- */

static void give_memory(uv_handle_t *handle, size_t wanted, uv_buf_t *buf) {
  (void)handle, (void)wanted;
  static char block[65536];
  *buf = uv_buf_init(block, sizeof(block));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct client *client = stream->data;
  if (n < 0) {
    hang_up(client);
    return;
  }
  add(&client->in, buf->base, (size_t)n);
  add(&client->in, "", 1); /* an end for strchr */
  client->in.length--;
  start(client);
}

static void on_connection(uv_stream_t *server, int status) {
  if (status < 0) return;
  struct client *client = calloc(1, sizeof(*client));
  if (client == NULL) abort();
  uv_tcp_init(loop, &client->tcp);
  client->tcp.data = client;
  if (uv_accept(server, (uv_stream_t *)&client->tcp) < 0) {
    uv_close((uv_handle_t *)&client->tcp, on_closed);
    return;
  }
  uv_tcp_nodelay(&client->tcp, 1);
  uv_read_start((uv_stream_t *)&client->tcp, give_memory, on_read);
}

int main(int argc, char **argv) {
  struct sockaddr_in address;
  uv_tcp_t server;
  if (argc != 3) {
    fprintf(stderr, "usage: bench_floor LISTEN_PORT UPSTREAM_URL\n");
    return 2;
  }
  upstream = argv[2];
  loop = uv_default_loop();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_socket);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 10000L);
  uv_timer_init(loop, &curl_timer);
  uv_check_init(loop, &flusher);
  uv_idle_init(loop, &awake);
  uv_check_start(&flusher, flush_all);
  uv_tcp_init(loop, &server);
  uv_ip4_addr("127.0.0.1", (int)strtol(argv[1], NULL, 10), &address);
  int error = uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
  if (!error) error = uv_listen((uv_stream_t *)&server, 4096, on_connection);
  if (error) {
    fprintf(stderr, "bench_floor: port %s: %s\n", argv[1], uv_strerror(error));
    return 1;
  }
  return uv_run(loop, UV_RUN_DEFAULT);
}
