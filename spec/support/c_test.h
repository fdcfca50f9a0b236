/* c_test.h - what a C unit test needs: named tests, checks that say what they found, a limit in time, a summary.
 *
 *   static void adds_two_numbers(void) {
 *     CHECK_INT(add(1, 2), 3);
 *   }
 *   int main(int argc, char **argv) {
 *     ct_init(argc, argv);
 *     RUN(adds_two_numbers);
 *     return ct_summary();
 *   }
 *
 * A failed CHECK goes on, a failed REQUIRE leaves the test. SKIP leaves it with a reason. With an argument only the
 * tests whose name contains it run. A test that takes longer than CT_SECONDS ends the program, naming itself.
 */
#ifndef CPX_C_TEST_H
#define CPX_C_TEST_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef CT_SECONDS
#define CT_SECONDS 60
#endif

static struct {
  const char *name, *only;
  int passed, failed, skipped;
  bool bad, skip;
} ct;

static inline void ct_timed_out(int signal_number) {
  (void)signal_number;
  static const char text[] = "not ok: takes too long: ";
  if (write(1, text, sizeof text - 1) < 0 || write(1, ct.name, strlen(ct.name)) < 0 || write(1, "\n", 1) < 0) _exit(2);
  _exit(1);
}

static inline void ct_init(int argc, char **argv) {
  ct.only = argc > 1 ? argv[1] : NULL;
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGALRM, ct_timed_out);
}

static inline void ct_run(const char *name, void (*test)(void)) {
  if (ct.only && !strstr(name, ct.only)) return;
  ct.name = name;
  ct.bad = ct.skip = false;
  alarm(CT_SECONDS);
  test();
  alarm(0);
  if (ct.bad)
    ct.failed++;
  else if (ct.skip)
    ct.skipped++;
  else
    ct.passed++;
  printf("%s: %s\n", ct.bad ? "not ok" : ct.skip ? "skipped" : "ok", name);
}

static inline int ct_summary(void) {
  printf("%d passed, %d failed", ct.passed, ct.failed);
  if (ct.skipped) printf(", %d skipped", ct.skipped);
  printf("\n");
  return ct.failed ? 1 : 0;
}

#define RUN(test) ct_run(#test, test)

#define CT_FAIL(...)                                                                                                   \
  do {                                                                                                                 \
    ct.bad = true;                                                                                                     \
    printf("%s:%d: %s: ", __FILE__, __LINE__, ct.name);                                                                \
    printf(__VA_ARGS__);                                                                                               \
    printf("\n");                                                                                                      \
  } while (0)

#define SKIP(...)                                                                                                      \
  do {                                                                                                                 \
    ct.skip = true;                                                                                                    \
    printf("%s: ", ct.name);                                                                                           \
    printf(__VA_ARGS__);                                                                                               \
    printf("\n");                                                                                                      \
    return;                                                                                                            \
  } while (0)

#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition)) CT_FAIL("not true: %s", #condition);                                                             \
  } while (0)

#define REQUIRE(condition)                                                                                             \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      CT_FAIL("not true: %s", #condition);                                                                             \
      return;                                                                                                          \
    }                                                                                                                  \
  } while (0)

#define CHECK_INT(got, want)                                                                                           \
  do {                                                                                                                 \
    long long ct_got = (long long)(got), ct_want = (long long)(want);                                                  \
    if (ct_got != ct_want) CT_FAIL("%s is %lld, not %lld", #got, ct_got, ct_want);                                     \
  } while (0)

#define CHECK_STR(got, want)                                                                                           \
  do {                                                                                                                 \
    const char *ct_got = (got), *ct_want = (want);                                                                     \
    if (!ct_got || strcmp(ct_got, ct_want) != 0)                                                                       \
      CT_FAIL("%s is \"%s\", not \"%s\"", #got, ct_got ? ct_got : "(null)", ct_want);                                  \
  } while (0)

#define CHECK_HAS(text, part)                                                                                          \
  do {                                                                                                                 \
    const char *ct_got = (text), *ct_want = (part);                                                                    \
    if (!ct_got || !strstr(ct_got, ct_want))                                                                           \
      CT_FAIL("%s is \"%s\", without \"%s\"", #text, ct_got ? ct_got : "(null)", ct_want);                             \
  } while (0)

/* `n` bytes against a string literal or another run of the same length. */
#define CHECK_BYTES(got, n, want, want_n)                                                                              \
  do {                                                                                                                 \
    const char *ct_got = (const char *)(got), *ct_want = (const char *)(want);                                         \
    size_t ct_n = (n), ct_m = (want_n);                                                                                \
    if (ct_n != ct_m || (ct_n && memcmp(ct_got, ct_want, ct_n) != 0))                                                  \
      CT_FAIL("%s is \"%.*s\" (%zu bytes), not \"%.*s\" (%zu bytes)", #got, (int)(ct_n > 400 ? 400 : ct_n),            \
              ct_n ? ct_got : "", ct_n, (int)(ct_m > 400 ? 400 : ct_m), ct_want, ct_m);                                \
  } while (0)

#endif
