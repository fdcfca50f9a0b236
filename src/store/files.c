/* Files that are replaced as a whole: written aside, synced, renamed. */
#include "store/internal.h"

#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int cpx_vault_fail(cpx_vault_fault *fault, int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)vsnprintf(fault->text, sizeof fault->text, format, args);
  va_end(args);
  return code;
}

int cpx_vault_fail_errno(cpx_vault_fault *fault, const char *what, const char *path, int error) {
  char reason[128];
  return cpx_vault_fail(fault, error == ENOENT ? CPX_ENOTFOUND : CPX_EIO, "cannot %s %s: %s", what, path,
                        strerror_r(error, reason, sizeof reason));
}

static int read_all(int fd, cpx_buf *out) {
  for (;;) {
    char piece[8192];
    ssize_t n = read(fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    int err = n < 0 ? CPX_EIO : n == 0 ? 0 : cpx_buf_add(out, piece, (size_t)n);
    if (n <= 0 || err) {
      cpx_cleanse(piece, sizeof piece);
      return err;
    }
  }
}

int cpx_file_read(const char *path, cpx_buf *out, cpx_vault_fault *fault) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return cpx_vault_fail_errno(fault, "read", path, errno);
  int err = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read_all(fd, out) : CPX_EINVAL;
  int saved = errno;
  close(fd);
  if (err == CPX_EIO) return cpx_vault_fail_errno(fault, "read", path, saved);
  if (err == CPX_EINVAL) return cpx_vault_fail(fault, CPX_EIO, "cannot read %s: not a regular file", path);
  if (err == CPX_ETOOBIG) return cpx_vault_fail(fault, err, "%s is larger than %zu bytes", path, out->max);
  return err ? cpx_vault_fail(fault, err, "cannot read %s: %s", path, cpx_error_text(err)) : 0;
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

int cpx_folder_sync(const char *folder, cpx_vault_fault *fault) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* Some file systems cannot sync a folder and say EINVAL; they have nothing to sync then. */
  int failed = fd < 0 || (fsync(fd) != 0 && errno != EINVAL);
  int saved = errno;
  if (fd >= 0) close(fd);
  return failed ? cpx_vault_fail_errno(fault, "sync", folder, saved) : 0;
}

/* A whole, synced temporary file, or none. A symbolic link that lies in its place is not followed. */
static int write_temporary(const char *temporary, cpx_slice bytes, cpx_vault_fault *fault) {
  (void)unlink(temporary);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return cpx_vault_fail_errno(fault, "write", temporary, errno);
  int failed = write_all(fd, bytes) != 0 || fsync(fd) != 0;
  int saved = errno;
  if (close(fd) != 0 && !failed) {
    failed = 1;
    saved = errno;
  }
  if (!failed) return 0;
  (void)unlink(temporary);
  return cpx_vault_fail_errno(fault, "write", temporary, saved);
}

int cpx_file_replace(const char *folder, const char *temporary, const char *path, cpx_slice bytes,
                     cpx_vault_fault *fault) {
  int err = write_temporary(temporary, bytes, fault);
  if (err) return err;
  if (rename(temporary, path) != 0) {
    int saved = errno;
    (void)unlink(temporary);
    return cpx_vault_fail_errno(fault, "write", path, saved);
  }
  return cpx_folder_sync(folder, fault);
}

int cpx_file_add(const char *folder, const char *temporary, const char *path, cpx_slice bytes, cpx_vault_fault *fault) {
  int err = write_temporary(temporary, bytes, fault);
  if (err) return err;
  int failed = link(temporary, path) != 0, saved = errno;
  (void)unlink(temporary);
  if (failed && saved == EEXIST) return cpx_vault_fail(fault, CPX_EFULL, "%s exists already", path);
  return failed ? cpx_vault_fail_errno(fault, "write", path, saved) : cpx_folder_sync(folder, fault);
}

/* A new folder is there after a power cut only if the one that holds it was synced. */
static int make_one(const char *folder, cpx_vault_fault *fault) {
  if (mkdir(folder, 0700) != 0)
    return errno == EEXIST ? 0 : cpx_vault_fail_errno(fault, "make the folder", folder, errno);
  char above[PATH_MAX];
  const char *slash = strrchr(folder, '/');
  (void)snprintf(above, sizeof above, "%.*s", slash ? (int)(slash - folder) : 1, slash ? folder : ".");
  return cpx_folder_sync(*above ? above : "/", fault);
}

int cpx_folder_make(const char *folder, cpx_vault_fault *fault) {
  struct stat st;
  if (stat(folder, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
  char path[PATH_MAX];
  int n = snprintf(path, sizeof path, "%s", folder);
  if (n < 0 || n >= (int)sizeof path) return cpx_vault_fail(fault, CPX_EINVAL, "the path of a folder is too long");
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    int err = make_one(path, fault);
    *slash = '/';
    if (err) return err;
  }
  return make_one(path, fault);
}
