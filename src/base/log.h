/* log.h - one line a message, to standard error, as text or JSON.
 *
 * Lines are collected and written by the loop (cpx_log_flush), within 10 ms, or at once for errors and when the
 * collection outgrows 64 KB. A reader that stops (a pipe, a terminal) does not stop the process: lines wait, up to 256
 * KB, and are lost beyond. No secrets: callers pass masked values. Control characters in messages are escaped, so
 * that a request cannot forge a line.
 */
#ifndef CPX_BASE_LOG_H
#define CPX_BASE_LOG_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>

enum cpx_log_level { CPX_LOG_DEBUG, CPX_LOG_INFO, CPX_LOG_WARN, CPX_LOG_ERROR };

/* Below `level` nothing is written. `json`: one JSON object a line, {"time","level","message", …}. */
void cpx_log_setup(enum cpx_log_level level, bool json);
/* The descriptor to write to (borrowed); 2 by default. */
void cpx_log_to(int fd);
bool cpx_log_enabled(enum cpx_log_level level);
/* "debug" | "info" | "warn" | "error" → level; CPX_EINVAL else. */
CPX_MUST_CHECK int cpx_log_level_parse(cpx_slice name, enum cpx_log_level *out);

void cpx_log(enum cpx_log_level level, const char *format, ...) CPX_PRINTF(2, 3);
/* `message`, and `fields`: members of a JSON object without its braces (`"status":200,"model":"x"`), only used when the
 * log is JSON; may be empty. */
void cpx_log_line(enum cpx_log_level level, cpx_slice message, cpx_slice fields);
void cpx_log_flush(void);
/* Bytes that wait to be written. */
size_t cpx_log_pending(void);

#endif
