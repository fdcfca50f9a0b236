/* check.c - refuses calls that must not be made: bad URLs, headers that would smuggle, unknown kinds of proxy. */
#include "upstream/internal.h"

#include <ctype.h>
#include <stdio.h>

/* RFC 9110's tchar: letters, digits and !#$%&'*+-.^_`|~, one bit each. */
static bool is_token(char c) {
  static const uint64_t bits[4] = {0x03ff6cfa00000000, 0x57ffffffc7fffffe, 0, 0};
  unsigned char u = (unsigned char)c;
  return bits[u >> 6] >> (u & 63) & 1;
}

static bool is_token_str(cpx_slice s) {
  for (size_t i = 0; i < s.n; i++)
    if (!is_token(s.p[i])) return false;
  return s.n > 0;
}

int up_check_method(const char *method, char *message, size_t n) {
  if (method && strlen(method) <= 32 && is_token_str(cpx_slice_str(method))) return 0;
  (void)snprintf(message, n, "the method of an upstream call must be a short word such as POST");
  return CPX_EINVAL;
}

int up_check_header(const cpx_header *header, char *message, size_t n) {
  if (!is_token_str(header->name)) {
    (void)snprintf(message, n, "a header name of an upstream call is empty or holds a character that is not allowed");
    return CPX_EINVAL;
  }
  for (size_t i = 0; i < header->value.n; i++) {
    unsigned char c = (unsigned char)header->value.p[i];
    if ((c >= 0x20 && c != 0x7f) || c == '\t') continue;
    (void)snprintf(message, n, "header %.*s of an upstream call holds a control character (a line break in a key?)",
                   (int)(header->name.n > 64 ? 64 : header->name.n), header->name.p);
    return CPX_EINVAL;
  }
  return 0;
}

/* Splits off "scheme://"; the rest starts at *rest. */
static cpx_slice scheme_of(const char *url, const char **rest) {
  const char *mark = url ? strstr(url, "://") : NULL;
  if (!mark) return (cpx_slice){NULL, 0};
  *rest = mark + 3;
  return (cpx_slice){url, (size_t)(mark - url)};
}

static bool printable(const char *s) {
  for (; *s; s++)
    if ((unsigned char)*s <= ' ' || *s == 0x7f || *s == '\\') return false;
  return true;
}

/* "host:port" of an authority without its credentials; the port is checked. */
static bool host_and_port(cpx_slice authority, unsigned default_port, char *where, size_t n) {
  const char *colon = NULL;
  size_t host = authority.n;
  for (size_t i = 0; i < authority.n; i++) {
    if (authority.p[i] == ']') colon = NULL;
    if (authority.p[i] == ':' && !colon) colon = authority.p + i;
  }
  if (authority.n > 0 && authority.p[0] == '[' && !memchr(authority.p, ']', authority.n)) return false;
  if (colon) host = (size_t)(colon - authority.p);
  if (authority.n > 0 && authority.p[0] == '[' && authority.p[host - 1] != ']') return false;
  unsigned long port = default_port;
  if (colon) {
    port = 0;
    for (const char *p = colon + 1; p < authority.p + authority.n; p++) {
      if (!isdigit((unsigned char)*p) || port > 65535) return false;
      port = port * 10 + (unsigned long)(*p - '0');
    }
  }
  if (host == 0 || port == 0 || port > 65535) return false;
  (void)snprintf(where, n, "%.*s:%lu", (int)(host > 255 ? 255 : host), authority.p, port);
  return true;
}

static cpx_slice authority_of(const char *rest) {
  return (cpx_slice){rest, strcspn(rest, "/?#")};
}

int up_check_url(const char *url, char *where, size_t where_n, char *message, size_t n) {
  const char *rest = NULL;
  cpx_slice scheme = scheme_of(url, &rest);
  bool tls = cpx_slice_ieq(scheme, CPX_SLICE("https"));
  if (!tls && !cpx_slice_ieq(scheme, CPX_SLICE("http"))) {
    (void)snprintf(message, n, "the URL of an upstream call must start with https:// or http://: check base_url");
    return CPX_EINVAL;
  }
  cpx_slice authority = authority_of(rest);
  if (memchr(authority.p, '@', authority.n)) {
    (void)snprintf(message, n, "the URL of an upstream call holds credentials before its host: use api_key or headers");
    return CPX_EINVAL;
  }
  if (!host_and_port(authority, tls ? 443 : 80, where, where_n)) {
    (void)snprintf(message, n, "the URL of an upstream call has no valid host and port: check base_url");
    return CPX_EINVAL;
  }
  if (!printable(rest)) {
    (void)snprintf(message, n, "the URL for %s holds a space, backslash or control character: percent-encode it",
                   where);
    return CPX_EINVAL;
  }
  return 0;
}

int up_check_proxy(const char *url, char *where, size_t where_n, char *message, size_t n) {
  static const struct {
    cpx_slice scheme;
    unsigned port;
  } kinds[] = {
      {CPX_SLICE("http"), 1080}, {CPX_SLICE("https"), 443}, {CPX_SLICE("socks5"), 1080}, {CPX_SLICE("socks5h"), 1080}};
  const char *rest = NULL;
  cpx_slice scheme = scheme_of(url, &rest);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!cpx_slice_ieq(scheme, kinds[i].scheme)) continue;
    cpx_slice authority = authority_of(rest);
    for (size_t at = authority.n; at > 0; at--)
      if (authority.p[at - 1] == '@') {
        authority = (cpx_slice){authority.p + at, authority.n - at};
        break;
      }
    if (printable(rest) && host_and_port(authority, kinds[i].port, where, where_n)) return 0;
    (void)snprintf(message, n, "proxy_url has no valid host and port, e.g. socks5h://127.0.0.1:1080");
    return CPX_EINVAL;
  }
  (void)snprintf(message, n, "proxy_url must start with http://, https://, socks5:// or socks5h://");
  return CPX_EINVAL;
}

static bool listed(cpx_slice name, const cpx_slice *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (cpx_slice_ieq(name, list[i])) return true;
  return false;
}

bool up_is_hop_header(cpx_slice name) {
  char first = name.n ? (char)(name.p[0] | 0x20) : '\0';
  if (first != 'c' && first != 'k' && first != 'p' && first != 't' && first != 'u') return false;
  if (first == 'c' && name.n != 10) return false; /* content-type, content-length */
  static const cpx_slice list[] = {CPX_SLICE("te"),         CPX_SLICE("trailer"),    CPX_SLICE("upgrade"),
                                   CPX_SLICE("connection"), CPX_SLICE("keep-alive"), CPX_SLICE("transfer-encoding")};
  return (name.n > 6 && strncasecmp(name.p, "proxy-", 6) == 0) || listed(name, list, sizeof list / sizeof *list);
}

bool up_is_own_header(cpx_slice name) {
  static const cpx_slice list[] = {CPX_SLICE("content-length"), CPX_SLICE("expect"), CPX_SLICE("accept-encoding")};
  return listed(name, list, sizeof list / sizeof *list);
}
