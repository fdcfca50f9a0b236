#include "crypto/random.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

int cpx_random(void *out, size_t n) {
  unsigned char *p = out;
  for (size_t at = 0; at < n;) {
    int run = n - at > 65536 ? 65536 : (int)(n - at);
    if (RAND_bytes(p + at, run) != 1) {
      memset(out, 0, n);
      return CPX_EIO;
    }
    at += (size_t)run;
  }
  return 0;
}

int cpx_random_uuid(char out[CPX_UUID_LEN + 1]) {
  unsigned char b[16];
  int err = cpx_random(b, sizeof b);
  b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
  b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
  (void)snprintf(out, CPX_UUID_LEN + 1, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                 b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
  return err;
}
