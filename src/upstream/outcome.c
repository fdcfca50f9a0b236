/* outcome.c - what went wrong, as an error code and a sentence for people. */
#include "upstream/internal.h"

#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static void say(up_outcome *out, int err, const char *format, ...) {
  va_list args;
  va_start(args, format);
  out->err = err;
  // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start is just above
  (void)vsnprintf(out->text, sizeof out->text, format, args);
  va_end(args);
}

void up_outcome_timeout(const up_call *call, const char *stage, uint64_t ms, up_outcome *out) {
  bool seconds = ms % 1000 == 0, through = call->sends == 0 && call->proxy_url;
  say(out, CPX_ETIMEOUT, "%s%s%s%s: %s within %llu %s", call->where, through ? " (through proxy " : "",
      through ? call->proxy_where : "", through ? ")" : "", stage, (unsigned long long)(seconds ? ms / 1000 : ms),
      seconds ? "s" : "ms");
}

static long info(const up_call *call, CURLINFO what) {
  long value = 0;
  if (call->slot) curl_easy_getinfo(call->slot->easy, what, &value);
  return value;
}

/* " (detail)" from libcurl's own words; only for stages whose words hold no part of the request. */
static const char *detail(const up_call *call) {
  return call->slot && call->slot->error[0] ? call->slot->error : "no detail known";
}

static void proxy_failed(const up_call *call, up_outcome *out) {
  long status = info(call, CURLINFO_HTTP_CONNECTCODE);
  if (status == 407)
    say(out, CPX_EPROXY, "proxy %s: it wants other credentials (407): check proxy_url", call->proxy_where);
  else if (status > 0 && status != 200)
    say(out, CPX_EPROXY, "proxy %s: it refused to connect to %s (status %ld)", call->proxy_where, call->where, status);
  else
    say(out, CPX_EPROXY, "proxy %s: no connection to %s through it (%s)", call->proxy_where, call->where, detail(call));
}

static void connect_failed(const up_call *call, up_outcome *out) {
  long number = info(call, CURLINFO_OS_ERRNO);
  char reason[128] = "no address answered";
  const char *text = number ? strerror_r((int)number, reason, sizeof reason) : reason;
  if (call->proxy_url)
    say(out, CPX_EPROXY, "proxy %s: could not connect (%s)", call->proxy_where, text);
  else
    say(out, CPX_ECONNECT, "%s: could not connect (%s)", call->where, text);
}

static void broke_off(const up_call *call, up_outcome *out) {
  if (call->slot && strstr(call->slot->error, "chunked-encoding"))
    say(out, CPX_EPROTO, "%s: its answer has broken chunked framing", call->where);
  else if (call->head_done)
    say(out, CPX_EEOF, "%s: the connection closed in the middle of its answer", call->where);
  else if (call->answered)
    say(out, CPX_EEOF, "%s: the connection closed in the middle of the answer's head", call->where);
  else if (call->sends > 0)
    say(out, CPX_EEOF, "%s: the connection closed before an answer came", call->where);
  else if (call->proxy_url)
    proxy_failed(call, out);
  else
    say(out, CPX_ECONNECT, "%s: the connection broke before the request was sent", call->where);
}

static void timed_out(const up_call *call, up_outcome *out) {
  up_outcome_timeout(call, call->sends ? "no progress" : "not connected", call->connect_ms, out);
}

void up_outcome_of(const up_call *call, CURLcode code, up_outcome *out) {
  out->err = 0;
  out->text[0] = '\0';
  if (call->err) {
    say(out, call->err, "%s: %s", call->where, call->err_text);
    return;
  }
  switch (code) {
  case CURLE_OK:
    if (!call->head_done) broke_off(call, out);
    return;
  case CURLE_OUT_OF_MEMORY: say(out, CPX_ENOMEM, "%s: out of memory", call->where); return;
  case CURLE_URL_MALFORMAT: say(out, CPX_EINVAL, "%s: the URL is malformed: check base_url", call->where); return;
  case CURLE_COULDNT_RESOLVE_HOST: say(out, CPX_EDNS, "%s: the host name could not be resolved", call->where); return;
  case CURLE_COULDNT_RESOLVE_PROXY:
    say(out, CPX_EPROXY, "proxy %s: its host name could not be resolved", call->proxy_where);
    return;
  case CURLE_PROXY: proxy_failed(call, out); return;
  case CURLE_COULDNT_CONNECT: connect_failed(call, out); return;
  case CURLE_OPERATION_TIMEDOUT: timed_out(call, out); return;
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_INVALIDCERTSTATUS:
    say(out, CPX_ETLS, "%s: no trusted TLS connection (%s)", call->where, detail(call));
    return;
  case CURLE_GOT_NOTHING:
  case CURLE_RECV_ERROR:
  case CURLE_SEND_ERROR:
  case CURLE_SEND_FAIL_REWIND:
  case CURLE_PARTIAL_FILE: broke_off(call, out); return;
  default: say(out, CPX_EPROTO, "%s: not a valid HTTP answer (%s)", call->where, curl_easy_strerror(code)); return;
  }
}
