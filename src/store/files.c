/* Files that are replaced as a whole, and folders, with faults that name them. */
#include "store/internal.h"

#include "base/file.h"

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
  return cpx_vault_fail(fault, CPX_EIO, "cannot %s %s: %s", what, path, strerror_r(error, reason, sizeof reason));
}

int cpx_store_read(const char *path, cpx_buf *out, cpx_vault_fault *fault) {
  int err = cpx_file_read(path, out), saved = errno;
  if (err == CPX_EIO) {
    (void)cpx_vault_fail_errno(fault, "read", path, saved);
    return saved == ENOENT ? CPX_ENOTFOUND : err;
  }
  if (err == CPX_EINVAL) return cpx_vault_fail(fault, CPX_EIO, "cannot read %s: not a regular file", path);
  if (err == CPX_ETOOBIG) return cpx_vault_fail(fault, err, "%s is larger than %zu bytes", path, out->max);
  return err ? cpx_vault_fail(fault, err, "cannot read %s: %s", path, cpx_error_text(err)) : 0;
}

int cpx_folder_sync(const char *folder, cpx_vault_fault *fault) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* Some file systems cannot sync a folder and say EINVAL; they have nothing to sync then. */
  int failed = fd < 0 || (fsync(fd) != 0 && errno != EINVAL);
  int saved = errno;
  if (fd >= 0) close(fd);
  return failed ? cpx_vault_fail_errno(fault, "sync", folder, saved) : 0;
}

/* A new folder is there after a power cut only if the one that holds it was synced; whoever made it may have been
 * killed before. Some of those above may be others', who do not let us: then it is for them to see to that. */
static void sync_above(const char *folder) {
  cpx_vault_fault ignored;
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s", folder) >= (int)sizeof path) return;
  for (char *slash = strrchr(path, '/'); slash && slash > path; slash = strrchr(path, '/')) {
    *slash = 0;
    if (cpx_folder_sync(path, &ignored)) return;
  }
}

int cpx_store_replace(const char *folder, const char *temporary, const char *path, cpx_slice bytes,
                      cpx_vault_fault *fault) {
  bool is_new = access(path, F_OK) != 0;
  if (cpx_file_replace(temporary, path, 0600, bytes)) return cpx_vault_fail_errno(fault, "write", path, errno);
  int err = cpx_folder_sync(folder, fault);
  if (!err && is_new) sync_above(folder);
  return err;
}

static int make_one(const char *folder, cpx_vault_fault *fault) {
  if (mkdir(folder, 0700) == 0 || errno == EEXIST) return 0;
  return cpx_vault_fail_errno(fault, "make the folder", folder, errno);
}

int cpx_folder_make(const char *folder, cpx_vault_fault *fault) {
  struct stat st;
  char path[PATH_MAX];
  if (stat(folder, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
  int n = snprintf(path, sizeof path, "%s", folder);
  if (n < 1 || n >= (int)sizeof path || *path != '/')
    return cpx_vault_fail(fault, CPX_EINVAL, "a folder's path must be absolute and not too long: %.100s", folder);
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    int err = make_one(path, fault);
    *slash = '/';
    if (err) return err;
  }
  return make_one(path, fault);
}
