#include "c_test.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static char folder[] = "/tmp/cliproxy-file-XXXXXX";

static const char *in(const char *name) {
  static char paths[4][PATH_MAX];
  static int next;
  char *path = paths[next++ % 4];
  (void)snprintf(path, PATH_MAX, "%s/%s", folder, name);
  return path;
}

static int put(const char *name, const char *bytes, size_t n, mode_t mode) {
  return cpx_file_replace(in("tmp"), in(name), mode, cpx_slice_of(bytes, n));
}

static void reads_what_was_written_up_to_the_bound(void) {
  static char bytes[20000];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
  size_t sizes[] = {0, 1, 255, 256, 4095, 4096, 4097, 20000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    REQUIRE(put("a", bytes, sizes[i], 0600) == 0);
    for (size_t more = 0; more < 2; more++) {
      cpx_buf out;
      cpx_buf_init(&out, sizes[i] + more);
      CHECK_INT(cpx_file_read(in("a"), &out), 0);
      CHECK_BYTES(out.data, out.len, bytes, sizes[i]);
      cpx_buf_deinit(&out);
    }
    cpx_buf small;
    cpx_buf_init(&small, sizes[i] ? sizes[i] - 1 : 0);
    CHECK_INT(cpx_file_read(in("a"), &small), sizes[i] ? CPX_ETOOBIG : 0);
    cpx_buf_deinit(&small);
  }
}

/* The size that the system tells is none: 0 in /proc. */
static void reads_files_without_a_size(void) {
  cpx_buf out;
  cpx_buf_init(&out, 100000);
  CHECK_INT(cpx_file_read("/proc/self/status", &out), 0);
  CHECK(out.len > 100 && memmem(out.data, out.len, "Name:", 5));
  cpx_buf_deinit(&out);
  cpx_buf_init(&out, 10);
  CHECK_INT(cpx_file_read("/proc/self/status", &out), CPX_ETOOBIG);
  cpx_buf_deinit(&out);
}

static void refuses_what_is_no_file(void) {
  cpx_buf out;
  cpx_buf_init(&out, 100);
  CHECK_INT(cpx_file_read(in("none"), &out), CPX_EIO);
  CHECK_INT(errno, ENOENT);
  CHECK_INT(cpx_file_read(folder, &out), CPX_EINVAL);
  CHECK_INT(mkfifo(in("pipe"), 0600), 0);
  CHECK_INT(cpx_file_read(in("pipe"), &out), CPX_EINVAL); /* and does not hang */
  CHECK_INT(unlink(in("pipe")), 0);
  cpx_buf_deinit(&out);
}

static void replaces_with_the_mode_that_was_asked_for(void) {
  struct stat st;
  mode_t before = umask(077);
  REQUIRE(put("a", "old", 3, 0600) == 0);
  REQUIRE(put("a", "newer", 5, 0644) == 0);
  umask(before);
  CHECK(stat(in("a"), &st) == 0 && st.st_size == 5 && (st.st_mode & 07777) == 0644);
  CHECK(access(in("tmp"), F_OK) != 0);
}

static void leaves_nothing_and_follows_nothing(void) {
  REQUIRE(put("victim", "mine", 4, 0600) == 0);
  CHECK_INT(symlink(in("victim"), in("tmp")), 0);
  REQUIRE(put("a", "bytes", 5, 0600) == 0);
  cpx_buf out;
  cpx_buf_init(&out, 100);
  CHECK_INT(cpx_file_read(in("victim"), &out), 0);
  CHECK_BYTES(out.data, out.len, "mine", 4);
  cpx_buf_deinit(&out);
  CHECK_INT(mkdir(in("folder"), 0700), 0);
  CHECK_INT(put("folder", "bytes", 5, 0600), CPX_EIO);
  CHECK_INT(errno, EISDIR);
  CHECK(access(in("tmp"), F_OK) != 0);
  CHECK_INT(put("none/a", "bytes", 5, 0600), CPX_EIO);
  CHECK_INT(errno, ENOENT);
  CHECK(access(in("tmp"), F_OK) != 0);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  if (!mkdtemp(folder)) return 1;
  RUN(reads_what_was_written_up_to_the_bound);
  RUN(reads_files_without_a_size);
  RUN(refuses_what_is_no_file);
  RUN(replaces_with_the_mode_that_was_asked_for);
  RUN(leaves_nothing_and_follows_nothing);
  (void)unlink(in("a"));
  (void)unlink(in("victim"));
  (void)rmdir(in("folder"));
  if (rmdir(folder) != 0) ct.failed++; /* something was left behind */
  return ct_summary();
}
