#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_MIN 4096

/* At the buffer's bound: whether more is to come. */
static ssize_t read_past(int fd) {
  char more;
  ssize_t n;
  do n = read(fd, &more, 1);
  while (n < 0 && errno == EINTR);
  return n;
}

static int read_all(int fd, cpx_buf *out) {
  for (;;) {
    size_t left = out->max - out->len, room = out->cap - out->len;
    if (left == 0) {
      ssize_t n = read_past(fd);
      return n < 0 ? CPX_EIO : n > 0 ? CPX_ETOOBIG : 0;
    }
    int err = room ? 0 : cpx_buf_reserve(out, left < READ_MIN ? left : READ_MIN);
    if (err) return err;
    ssize_t n = read(fd, out->data + out->len, out->cap - out->len < left ? out->cap - out->len : left);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? CPX_EIO : 0;
    out->len += (size_t)n;
  }
}

int cpx_file_read(const char *path, cpx_buf *out) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe must not hang its reader */
  if (fd < 0) return CPX_EIO;
  int err = fstat(fd, &st) != 0 ? CPX_EIO : S_ISREG(st.st_mode) ? 0 : CPX_EINVAL;
  size_t size = err || st.st_size < 0 ? 0 : (size_t)st.st_size;
  size_t left = out->max - out->len;
  if (!err) err = size > left ? CPX_ETOOBIG : cpx_buf_reserve(out, size < left ? size + 1 : size); /* 1: sees the end */
  if (!err) err = read_all(fd, out);
  int saved = errno;
  close(fd);
  errno = saved;
  return err;
}

static int write_all(int fd, cpx_slice bytes) {
  while (bytes.n > 0) {
    ssize_t n = write(fd, bytes.p, bytes.n);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    bytes.p += n;
    bytes.n -= (size_t)n;
  }
  return 0;
}

int cpx_file_replace(const char *temporary, const char *path, mode_t mode, cpx_slice bytes) {
  (void)unlink(temporary);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return CPX_EIO;
  bool failed = fchmod(fd, mode) != 0 || write_all(fd, bytes) != 0 || fsync(fd) != 0;
  int saved = errno;
  if (close(fd) != 0 && !failed) {
    failed = true;
    saved = errno;
  }
  if (!failed && rename(temporary, path) == 0) return 0;
  if (!failed) saved = errno;
  (void)unlink(temporary);
  errno = saved;
  return CPX_EIO;
}
