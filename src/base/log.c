#include "base/log.h"

#include "base/buf.h"
#include "base/limits.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PENDING_MAX (256 * CPX_KB)
#define FLUSH_AT    (64 * CPX_KB)
#define LINE_MAX_   (16 * CPX_KB)

static const char *const names[] = {"debug", "info", "warn", "error"};
static const char *const text_levels[] = {" debug ", " info  ", " warn  ", " error "};
static const char *const json_levels[] = {
    "\",\"level\":\"debug\",\"message\":\"", "\",\"level\":\"info\",\"message\":\"",
    "\",\"level\":\"warn\",\"message\":\"", "\",\"level\":\"error\",\"message\":\""};

static struct {
  cpx_buf pending;
  enum cpx_log_level level;
  bool json;
  int fd;
  time_t second; /* the second that `stamp` shows */
  char stamp[32];
} state = {.pending = {.max = PENDING_MAX}, .level = CPX_LOG_INFO, .fd = 2};

void cpx_log_setup(enum cpx_log_level level, bool json) {
  state.level = level;
  state.json = json;
}

void cpx_log_to(int fd) {
  cpx_log_flush();
  state.fd = fd;
}

bool cpx_log_enabled(enum cpx_log_level level) {
  return level >= state.level;
}

int cpx_log_level_parse(cpx_slice name, enum cpx_log_level *out) {
  for (int i = 0; i <= CPX_LOG_ERROR; i++)
    if (cpx_slice_eq(name, cpx_slice_str(names[i]))) {
      *out = (enum cpx_log_level)i;
      return 0;
    }
  return CPX_EINVAL;
}

/* Pipes and terminals may be full, and a write would then wait for their reader, with the whole service. Room for
 * PIPE_BUF bytes is what poll promises. */
static bool has_room(int fd) {
  struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
  int n = poll(&poll_fd, 1, 0);
  while (n < 0 && errno == EINTR) n = poll(&poll_fd, 1, 0);
  return n != 0; /* a reader that is gone fails the write */
}

void cpx_log_flush(void) {
  size_t at = 0;
  struct stat st;
  bool may_wait = state.pending.len > 0 && (fstat(state.fd, &st) || !S_ISREG(st.st_mode));
  while (at < state.pending.len) {
    size_t left = state.pending.len - at;
    if (may_wait && left > PIPE_BUF) left = PIPE_BUF;
    if (may_wait && !has_room(state.fd)) break;
    ssize_t n = write(state.fd, state.pending.data + at, left);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      at = errno == EAGAIN ? at : state.pending.len; /* a full disk, a closed terminal: the lines are lost */
      break;
    }
    at += (size_t)n;
  }
  /* What a reader has not made room for stays, up to the buffer's bound; lines beyond are lost. */
  cpx_buf_consume(&state.pending, at);
  if (state.pending.len == 0) cpx_buf_clear(&state.pending, FLUSH_AT);
}

size_t cpx_log_pending(void) {
  return state.pending.len;
}

/* Local time to the millisecond; the date part is printed once a second. */
static int add_time(cpx_buf *b) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_sec != state.second) {
    struct tm parts;
    if (!localtime_r(&now.tv_sec, &parts)) return CPX_EINVAL;
    strftime(state.stamp, sizeof state.stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    state.second = now.tv_sec;
  }
  unsigned ms = (unsigned)(now.tv_nsec / 1000000);
  char text[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10)};
  int err = cpx_buf_add_str(b, state.stamp);
  return err ? err : cpx_buf_add(b, text, sizeof text);
}

/* Control bytes (and for JSON quote and backslash) as escapes: one message stays one line. */
static int add_escaped(cpx_buf *b, cpx_slice s) {
  size_t run = 0;
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c > '\\' && c != 0x7f) continue; /* most letters */
    bool special = c < 0x20 || c == 0x7f || (state.json && (c == '"' || c == '\\'));
    if (!special) continue;
    int err = cpx_buf_add(b, s.p + run, i - run);
    if (!err) err = c < 0x20 || c == 0x7f ? cpx_buf_printf(b, "\\u%04x", c) : cpx_buf_printf(b, "\\%c", c);
    if (err) return err;
    run = i + 1;
  }
  return cpx_buf_add(b, s.p + run, s.n - run);
}

static int add_line(cpx_buf *b, enum cpx_log_level level, cpx_slice message, cpx_slice fields) {
  int err = state.json ? cpx_buf_add_str(b, "{\"time\":\"") : 0;
  if (!err) err = add_time(b);
  if (!err) err = cpx_buf_add_str(b, state.json ? json_levels[level] : text_levels[level]);
  if (!err) err = add_escaped(b, message);
  if (state.json) {
    if (!err) err = cpx_buf_add_str(b, fields.n ? "\"," : "\"");
    if (!err) err = cpx_buf_add_slice(b, fields);
    if (!err) err = cpx_buf_add_str(b, "}");
  }
  if (!err) err = cpx_buf_add_str(b, "\n");
  return err;
}

void cpx_log_line(enum cpx_log_level level, cpx_slice message, cpx_slice fields) {
  if (level < state.level) return;
  if (message.n > LINE_MAX_) message.n = LINE_MAX_;
  size_t before = state.pending.len;
  if (add_line(&state.pending, level, message, fields)) state.pending.len = before; /* never half a line */
  if (level >= CPX_LOG_ERROR || state.pending.len > FLUSH_AT) cpx_log_flush();
}

void cpx_log(enum cpx_log_level level, const char *format, ...) {
  if (level < state.level) return;
  char text[2048];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args); // NOLINT(clang-analyzer-valist.Uninitialized): started above
  va_end(args);
  if (n < 0) return;
  if ((size_t)n >= sizeof text) n = sizeof text - 1;
  cpx_log_line(level, cpx_slice_of(text, (size_t)n), cpx_slice_of(NULL, 0));
}
