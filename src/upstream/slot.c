#include "upstream/internal.h"

#include <stdlib.h>

/* Hands the body to libcurl where it is too large to go with the head. */
static size_t on_read(char *to, size_t size, size_t n, void *user) {
  up_call *call = ((up_slot *)user)->call;
  size_t room = size * n, done = 0;
  uint64_t at = call->body_at;
  for (size_t i = 0; i < call->part_count && done < room; i++) {
    cpx_slice part = call->parts[i];
    if (at >= part.n) {
      at -= part.n;
      continue;
    }
    size_t take = part.n - (size_t)at < room - done ? part.n - (size_t)at : room - done;
    memcpy(to + done, part.p + at, take);
    done += take;
    at = 0;
  }
  call->body_at += done;
  call->active = cpx_loop_ms(call->up->loop);
  return done;
}

/* libcurl sends the request again when a kept connection turns out dead. */
static int on_seek(void *user, curl_off_t offset, int origin) {
  up_call *call = ((up_slot *)user)->call;
  if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > call->body_len) return CURL_SEEKFUNC_FAIL;
  call->body_at = (uint64_t)offset;
  return CURL_SEEKFUNC_OK;
}

/* The connection is ready, the request goes out now. */
// NOLINTNEXTLINE(readability-non-const-parameter): the type of the callback
static int on_send(void *user, char *peer_ip, char *own_ip, int peer_port, int own_port) {
  (void)peer_ip, (void)own_ip, (void)peer_port, (void)own_port;
  up_call *call = ((up_slot *)user)->call;
  if (call->sends++ > 0) call->up->counts.resent++;
  call->active = cpx_loop_ms(call->up->loop);
  return CURL_PREREQFUNC_OK;
}

static void set_callbacks(up_slot *slot) {
  CURL *easy = slot->easy;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, up_on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, up_on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
  curl_easy_setopt(easy, CURLOPT_READDATA, slot);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, slot);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, slot);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, up_open_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, up_close_socket);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, up_on_ssl_ctx);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, slot);
}

static void set_transport(CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)UP_RECV);
  curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)CPX_UP_MAXAGE_S);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  /* Or the environment would be read. */
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  /* Or cancelling a call would wait, with the whole loop, for its name to be resolved. */
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

/* No path, no file: trust.c puts its own store, loaded once, into each context. */
static void set_tls(CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
  curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
  curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, NULL);
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static up_slot *slot_new(void) {
  up_slot *slot = calloc(1, sizeof *slot);
  if (!slot) return NULL;
  slot->easy = curl_easy_init();
  slot->parts = curl_url();
  if (!slot->easy || !slot->parts) {
    curl_easy_cleanup(slot->easy);
    curl_url_cleanup(slot->parts);
    free(slot);
    return NULL;
  }
  cpx_buf_init(&slot->head, CPX_UP_HEAD_MAX);
  cpx_buf_init(&slot->fields, CPX_UP_HEADERS_MAX * sizeof(up_field));
  set_callbacks(slot);
  set_transport(slot->easy);
  set_tls(slot->easy);
  return slot;
}

void up_slot_free(up_slot *slot) {
  curl_easy_cleanup(slot->easy);
  curl_url_cleanup(slot->parts);
  free(slot->url);
  cpx_buf_deinit(&slot->head);
  cpx_buf_deinit(&slot->fields);
  free(slot);
}

/* libcurl takes its upload buffer when a body is too large to go with the head, and frees it with the transfer. */
static void set_upload_buffer(up_slot *slot, uint64_t body_len) {
  bool wide = body_len > UP_BODY_WHOLE;
  long size = !wide ? (long)(64 * CPX_KB) : body_len < UP_SEND ? (long)body_len : (long)UP_SEND;
  if (wide || slot->wide) curl_easy_setopt(slot->easy, CURLOPT_UPLOAD_BUFFERSIZE, size);
  slot->wide = wide;
}

static CURLcode set_body(up_slot *slot, const up_call *call) {
  CURL *easy = slot->easy;
  bool whole = call->body_len <= UP_BODY_WHOLE;
  set_upload_buffer(slot, call->body_len);
  const char *bytes = call->joined ? call->joined : call->part_count ? call->parts[0].p : "";
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, whole ? (bytes ? bytes : "") : NULL);
  return curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
}

static CURLcode set_method(up_slot *slot, const up_call *call) {
  CURL *easy = slot->easy;
  const char *usual = call->has_body ? "POST" : "GET";
  CURLcode code;
  if (call->has_body) {
    code = set_body(slot, call);
  } else if (strcmp(call->method, "HEAD") == 0) {
    return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else {
    code = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  }
  if (code != CURLE_OK || strcmp(call->method, usual) == 0) return code;
  slot->special = true;
  return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static CURLcode set_special(up_slot *slot, const up_call *call) {
  CURL *easy = slot->easy;
  CURLcode code = CURLE_OK;
  if (!call->proxy_url && !call->unix_socket && !call->ca_file && !call->http2) return code;
  slot->special = true;
  if (call->proxy_url) code = curl_easy_setopt(easy, CURLOPT_PROXY, call->proxy_url);
  if (!code && call->unix_socket) code = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, call->unix_socket);
  /* libcurl keeps connections apart by this name; what is trusted is trust.c's store. */
  if (!code && call->ca_file) code = curl_easy_setopt(easy, CURLOPT_CAINFO, call->ca_file);
  if (!code && call->ca_file) code = curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, call->ca_file);
  if (!code && call->http2) code = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  return code;
}

static void unset_special(up_slot *slot) {
  CURL *easy = slot->easy;
  slot->special = false;
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, NULL);
  curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
  curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, NULL);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

/* Most calls of a slot go where its last one went: that URL is not taken apart again, which is a fifth of what libcurl
 * does for a small request. */
static CURLcode set_url(up_slot *slot, const char *url) {
  if (slot->url && strcmp(slot->url, url) == 0) return CURLE_OK;
  free(slot->url);
  slot->url = strdup(url);
  if (!slot->url || curl_url_set(slot->parts, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK) {
    free(slot->url);
    slot->url = NULL; /* libcurl tells what is wrong with it */
  }
  curl_easy_setopt(slot->easy, CURLOPT_CURLU, slot->url ? slot->parts : NULL);
  return curl_easy_setopt(slot->easy, CURLOPT_URL, url);
}

int up_slot_take(up_call *call) {
  cpx_upstream *up = call->up;
  up_slot *slot = up->spare_count > 0 ? up->spare[--up->spare_count] : slot_new();
  if (!slot) return CPX_ENOMEM;
  slot->call = call;
  call->slot = slot;
  if (slot->pool != call->pool) {
    slot->pool = call->pool;
    curl_easy_setopt(slot->easy, CURLOPT_OPENSOCKETDATA, slot->pool);
    curl_easy_setopt(slot->easy, CURLOPT_CLOSESOCKETDATA, slot->pool);
  }
  CURLcode code = set_url(slot, call->url);
  if (!code) code = curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, call->headers);
  if (!code) code = curl_easy_setopt(slot->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_ms);
  if (!code) code = set_method(slot, call);
  if (!code) code = set_special(slot, call);
  return code == CURLE_OK ? 0 : CPX_ENOMEM;
}

void up_slot_give(cpx_upstream *up, up_slot *slot) {
  slot->call = NULL;
  slot->error[0] = '\0';
  cpx_buf_clear(&slot->head, UP_HEAD_KEEP);
  cpx_buf_clear(&slot->fields, UP_HEAD_KEEP);
  if (!up || up->spare_count == UP_SPARE_MAX) {
    up_slot_free(slot);
    return;
  }
  if (slot->special) unset_special(slot);
  up->spare[up->spare_count++] = slot;
}
