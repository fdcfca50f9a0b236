/* log_test.c - lines of the log: their form, their bounds, and outputs that are full or gone. */
#include "base/log.h"

#include "base/limits.h"
#include "c_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MESSAGE_BYTES 1000

/* What is in the pipe now. */
static size_t drain(int fd, char *to, size_t room) {
  size_t n = 0;
  ssize_t got;
  while (n < room && (got = read(fd, to + n, room - n)) > 0) n += (size_t)got;
  return n;
}

static void make_pipe(int ends[2]) {
  REQUIRE(pipe(ends) == 0);
  REQUIRE(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
  cpx_log_to(ends[1]);
}

static void end_pipe(const int ends[2]) {
  cpx_log_to(2);
  close(ends[0]);
  close(ends[1]);
}

static void one_message_stays_one_line(void) {
  int ends[2];
  char text[200];
  make_pipe(ends);
  cpx_log(CPX_LOG_INFO, "a\nb\x7f %d", 5);
  cpx_log_flush();
  size_t n = drain(ends[0], text, sizeof text);
  REQUIRE(n > 24 && n < sizeof text);
  CHECK_BYTES(text + 23, n - 23, " info  a\\u000ab\\u007f 5\n", 24);
  end_pipe(ends);
}

static void json_lines_carry_their_fields(void) {
  int ends[2];
  char text[300];
  make_pipe(ends);
  cpx_log_setup(CPX_LOG_INFO, true);
  cpx_log_line(CPX_LOG_WARN, CPX_SLICE("say \"x\"\t"), CPX_SLICE("\"status\":200"));
  cpx_log_flush();
  size_t n = drain(ends[0], text, sizeof text);
  static const char rest[] = "\",\"level\":\"warn\",\"message\":\"say \\\"x\\\"\\u0009\",\"status\":200}\n";
  REQUIRE(n > 32);
  CHECK_BYTES(text + 32, n - 32, rest, sizeof rest - 1);
  cpx_log_setup(CPX_LOG_INFO, false);
  end_pipe(ends);
}

/* Writing to the pipe blocks: a log that waited for its reader would never come back. */
static void a_reader_that_stops_does_not_stop_the_process(void) {
  static char text[1 << 20];
  int ends[2];
  char message[MESSAGE_BYTES + 1];
  memset(message, 'x', MESSAGE_BYTES);
  message[MESSAGE_BYTES] = 0;
  make_pipe(ends);
  for (int i = 0; i < 2000; i++) cpx_log(CPX_LOG_ERROR, "%s", message);
  size_t n = drain(ends[0], text, sizeof text);
  CHECK(n >= 4096);
  /* It goes on where it was: whole lines, none torn. */
  cpx_log_flush();
  for (size_t more; (more = drain(ends[0], text + n, sizeof text - n)) > 0; cpx_log_flush()) n += more;
  cpx_log(CPX_LOG_ERROR, "after");
  n += drain(ends[0], text + n, sizeof text - n);
  size_t lines = 0, from = 0;
  for (size_t i = 0; i < n; i++) {
    if (text[i] != '\n') continue;
    size_t length = i - from;
    bool last = i + 1 == n;
    if (length != (last ? 23 + 7 + 5 : 23 + 7 + MESSAGE_BYTES)) CT_FAIL("line %zu has %zu bytes", lines, length);
    from = i + 1;
    lines++;
  }
  CHECK_INT(from, n);
  CHECK(lines > 200 && lines < 2000);
  end_pipe(ends);
}

static void a_full_disk_or_a_reader_gone_loses_the_lines_alone(void) {
  int full = open("/dev/full", O_WRONLY), ends[2];
  REQUIRE(full >= 0);
  cpx_log_to(full);
  for (int i = 0; i < 1000; i++) cpx_log(CPX_LOG_ERROR, "lost %d", i);
  cpx_log_to(2);
  close(full);
  signal(SIGPIPE, SIG_IGN);
  make_pipe(ends);
  close(ends[0]);
  for (int i = 0; i < 1000; i++) cpx_log(CPX_LOG_ERROR, "lost %d", i);
  cpx_log_to(2);
  close(ends[1]);
  make_pipe(ends);
  char text[100];
  cpx_log(CPX_LOG_ERROR, "kept");
  CHECK_INT(drain(ends[0], text, sizeof text), 23 + 7 + 4 + 1);
  end_pipe(ends);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(one_message_stays_one_line);
  RUN(json_lines_carry_their_fields);
  RUN(a_reader_that_stops_does_not_stop_the_process);
  RUN(a_full_disk_or_a_reader_gone_loses_the_lines_alone);
  return ct_summary();
}
