#include "store/lock.h"

#include "base/limits.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 5

static void pause_ms(long ms) {
  struct timespec time = {.tv_nsec = ms * 1000000L};
  (void)nanosleep(&time, NULL);
}

int cpx_store_lock(const char *folder, int *lock, cpx_vault_fault *fault) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/.lock", folder) >= (int)sizeof path)
    return cpx_vault_fail(fault, CPX_EINVAL, "the path of a folder is too long");
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return cpx_vault_fail_errno(fault, "lock", path, errno);
  for (long waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited += RETRY_MS) {
    int error = errno;
    if (error == EINTR) continue;
    if (error == EWOULDBLOCK && waited < CPX_VAULT_LOCK_MS) {
      pause_ms(RETRY_MS);
      continue;
    }
    close(fd);
    if (error != EWOULDBLOCK) return cpx_vault_fail_errno(fault, "lock", path, error);
    return cpx_vault_fail(fault, CPX_ETIMEOUT, "%s: another process has written to this folder for %d s", path,
                          CPX_VAULT_LOCK_MS / 1000);
  }
  *lock = fd;
  return 0;
}

void cpx_store_unlock(int lock) {
  if (lock >= 0) close(lock);
}
