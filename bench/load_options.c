#include "load_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

struct load_options load_opt = {.connections = 1, .expect = 200};

static char *file_text(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "bench_load: %s: %s\n", path, strerror(errno));
    exit(2);
  }
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = wire_alloc((size_t)size + 1);
  if (fread(text, 1, (size_t)size, file) != (size_t)size) exit(2);
  fclose(file);
  return text;
}

static void build_request(const char *path, const char *data, const char *headers) {
  size_t room = strlen(path) + strlen(headers) + (data ? strlen(data) : 0) + 256;
  load_opt.request = wire_alloc(room);
  int n = data == NULL
              ? snprintf(load_opt.request, room, "GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\n%s\r\n", path, headers)
              : snprintf(load_opt.request, room,
                         "POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n%scontent-length: "
                         "%zu\r\n\r\n%s",
                         path, headers, strlen(data), data);
  load_opt.request_length = (size_t)n;
}

static bool number_option(const char *name, const char *value) {
  const struct {
    const char *name;
    uint64_t *place;
    double factor;
  } numbers[] = {{"--requests", &load_opt.requests, 1},
                 {"--warm", &load_opt.warm, 1},
                 {"--seconds", &load_opt.duration, 1e9},
                 {"--think", &load_opt.think, 1e6},
                 {"--ramp", &load_opt.ramp, 1e3},
                 {"--report-at", &load_opt.report_at, 1e9},
                 {"--connections", &load_opt.connections, 1}};
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
    if (strcmp(numbers[i].name, name) == 0) {
      *numbers[i].place = (uint64_t)(strtod(value, NULL) * numbers[i].factor);
      return true;
    }
  }
  return false;
}

static void usage(void) {
  fprintf(stderr,
          "usage: bench_load --to ADDRESS [options]; they stand at the head of load.c and in bench/README.md\n");
  exit(2);
}

void load_options_read(int argc, char **argv) {
  const char *path = "/v1/chat/completions", *data = NULL;
  char headers[8192] = "";
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(name, "--same") == 0)
      load_opt.same = true;
    else if (strcmp(name, "--stamps") == 0)
      load_opt.stamps = true;
    else if (++i >= argc)
      usage();
    else if (strcmp(name, "--to") == 0) {
      if (load_opt.targets == LOAD_TARGETS_MAX ||
          wire_address(value, &load_opt.address[load_opt.targets], &load_opt.address_size[load_opt.targets]))
        usage();
      load_opt.targets++;
    } else if (strcmp(name, "--path") == 0)
      path = value;
    else if (strcmp(name, "--data") == 0)
      data = value;
    else if (strcmp(name, "--body") == 0)
      data = file_text(value);
    else if (strcmp(name, "--header") == 0) {
      size_t used = strlen(headers);
      snprintf(headers + used, sizeof(headers) - used, "%s\r\n", value);
    } else if (strcmp(name, "--expect") == 0)
      load_opt.expect = (int)strtol(value, NULL, 10);
    else if (strcmp(name, "--contains") == 0)
      load_opt.contains = value;
    else if (strcmp(name, "--pids") == 0)
      load_cpu_parse(&load_opt.cpu, value);
    else if (!number_option(name, value))
      usage();
  }
  if (load_opt.targets == 0 || (load_opt.requests == 0 && load_opt.duration == 0)) usage();
  if (load_opt.targets > 1) load_opt.connections = load_opt.targets;
  build_request(path, data, headers);
}
