#include "base/error.h"

#include <stddef.h>

struct entry {
  const char *name, *text;
  int number, status;
};

static const struct entry entries[] = {
#define X(name, number, word, text, status) {word, text, number, status},
    CPX_ERROR_MAP(X)
#undef X
};

static const struct entry *find(int code) {
  static const struct entry success = {"ok", "success", 0, 200}, unknown = {"unknown", "unknown error", 0, 500};
  if (code == 0) return &success;
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
    if (entries[i].number == code) return &entries[i];
  return &unknown;
}

const char *cpx_error_name(int code) {
  return find(code)->name;
}

const char *cpx_error_text(int code) {
  return find(code)->text;
}

int cpx_error_status(int code) {
  return find(code)->status;
}
