#include "mock_plan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

void mock_add(struct mock_bytes *bytes, const void *data, size_t length) {
  if (bytes->length + length > bytes->room) {
    bytes->room = (bytes->length + length) * 2;
    bytes->data = wire_grow(bytes->data, bytes->room);
  }
  // cppcheck-suppress uninitvar
  memcpy(bytes->data + bytes->length, data, length);
  bytes->length += length;
}

void mock_printf(struct mock_bytes *bytes, const char *format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof(line), format, args);
  va_end(args);
  mock_add(bytes, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

/* -- reading a plan --------------------------------------------------------------------------------------------- */

static bool set_flag(struct mock_plan *plan, const char *key) {
  const struct {
    const char *name;
    bool *place;
  } flags[] = {{"reset", &plan->reset}, {"never", &plan->never},       {"html", &plan->html},
               {"empty", &plan->empty}, {"close", &plan->plain_close}, {"echo", &plan->echo},
               {"hash", &plan->hash},   {"garbage", &plan->garbage},   {"lie", &plan->lie},
               {"pings", &plan->pings}, {"error", &plan->error_event}};
  for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
    if (strcmp(flags[i].name, key) == 0) return *flags[i].place = true;
  }
  return false;
}

static bool set_number(struct mock_plan *plan, const char *key, const char *value) {
  const struct {
    const char *name;
    long *place;
    long factor;
  } numbers[] = {{"events", &plan->events, 1},   {"size", &plan->size, 1},      {"pace", &plan->pace_us, 1000},
                 {"pace_us", &plan->pace_us, 1}, {"delay", &plan->delay_ms, 1}, {"split", &plan->split, 1},
                 {"seed", &plan->seed, 1},       {"cut", &plan->cut, 1},        {"big", &plan->big, 1}};
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
    if (strcmp(numbers[i].name, key) == 0) {
      *numbers[i].place = strcmp(value, "rand") == 0 ? -1 : strtol(value, NULL, 10) * numbers[i].factor;
      return true;
    }
  }
  return false;
}

static void set(struct mock_plan *plan, const char *key, const char *value) {
  if (strcmp(key, "status") == 0)
    plan->status = (int)strtol(value, NULL, 10);
  else if (strcmp(key, "file") == 0)
    snprintf(plan->file, sizeof(plan->file), "%s", value);
  else if (strcmp(key, "type") == 0)
    snprintf(plan->type, sizeof(plan->type), "%s", value);
  else if (strcmp(key, "retry") == 0)
    snprintf(plan->retry_after, sizeof(plan->retry_after), "%s", value);
  else if (!set_flag(plan, key) && !set_number(plan, key, value))
    plan->bad = true;
}

/* Decodes %XX in place. */
static void unescape(char *text) {
  char *to = text;
  for (; *text; text++) {
    if (text[0] == '%' && isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2])) {
      char hex[3] = {text[1], text[2], '\0'};
      *to++ = (char)strtol(hex, NULL, 16);
      text += 2;
    } else
      *to++ = *text;
  }
  *to = '\0';
}

static void parse(struct mock_plan *plan, const char *text, size_t length) {
  char copy[1024], *rest = NULL;
  if (length >= sizeof(copy)) length = sizeof(copy) - 1;
  memcpy(copy, text, length);
  copy[length] = '\0';
  for (char *item = strtok_r(copy, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
    char *value = strchr(item, '=');
    if (value != NULL) *value++ = '\0';
    char *text_value = value != NULL ? value : item + strlen(item);
    unescape(text_value);
    set(plan, item, text_value);
  }
}

static size_t until(const char *at, const char *end, const char *stops) {
  const char *p = at;
  while (p < end && strchr(stops, *p) == NULL) p++;
  return (size_t)(p - at);
}

static bool parse_after(struct mock_plan *plan, const char *text, size_t length, const char *mark, const char *stops) {
  const char *at = memmem(text, length, mark, strlen(mark));
  if (at == NULL) return false;
  at += strlen(mark);
  parse(plan, at, until(at, text + length, stops));
  return true;
}

void mock_plan_read(struct mock_plan *plan, const char *head, size_t head_length, const char *body,
                    size_t body_length) {
  *plan = (struct mock_plan){.status = 200, .events = 10, .size = 20, .cut = -1};
  size_t line = until(head, head + head_length, "\r\n");
  if (memmem(head, line, "/responses", 10))
    plan->dialect = MOCK_RESPONSES;
  else if (memmem(head, line, "/messages", 9))
    plan->dialect = MOCK_ANTHROPIC;
  else if (memmem(head, line, "/v1beta/", 8))
    plan->dialect = MOCK_GEMINI;
  plan->stream = memmem(head, line, ":streamGenerateContent", 22) || memmem(body, body_length, "\"stream\":true", 13) ||
                 memmem(body, body_length, "\"stream\": true", 14);
  if (parse_after(plan, head, head_length, "dempotency-key: mock:", "\r\n")) return;
  if (parse_after(plan, head, line, "/~", "/ ?")) return;
  if (parse_after(plan, head, line, "/mock-", ":? ")) return;
  size_t front = body_length < 4096 ? body_length : 4096;
  parse_after(plan, body, front, "\"mock-", "\"");
}

/* -- bodies ----------------------------------------------------------------------------------------------------- */

static void filler(struct mock_bytes *out, long size) {
  static const char words[] = "the quick brown fox jumps over the lazy dog and runs on ";
  while (size > 0) {
    size_t n = size < (long)sizeof(words) - 1 ? (size_t)size : sizeof(words) - 1;
    mock_add(out, words, n);
    size -= (long)n;
  }
}

static void add(struct mock_bytes *out, const char *text) {
  mock_add(out, text, strlen(text));
}

void mock_stream_start(const struct mock_plan *plan, struct mock_bytes *out) {
  switch (plan->dialect) {
  case MOCK_CHAT:
    add(out,
        "data: "
        "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\","
        "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n");
    break;
  case MOCK_RESPONSES:
    add(out, "event: response.created\ndata: "
             "{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_mock\","
             "\"object\":\"response\",\"created_at\":1700000000,\"status\":\"in_progress\",\"model\":\"mock\","
             "\"output\":[]}}\n\n");
    break;
  case MOCK_ANTHROPIC:
    add(out,
        "event: message_start\ndata: "
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_mock\",\"type\":\"message\",\"role\":"
        "\"assistant\",\"model\":\"mock\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{"
        "\"input_tokens\":"
        "11,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
        "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    break;
  case MOCK_GEMINI: break;
  }
}

static const char *const event_front[] = {
    "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\","
    "\"system_fingerprint\":\"fp_%019llu\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"obfuscation\":\"fp_%019llu\","
    "\"output_index\":0,\"content_index\":0,\"item_id\":\"msg_mock\",\"delta\":\"",
    "event: content_block_delta\ndata: "
    "{\"type\":\"content_block_delta\",\"index\":0,\"stamp\":\"fp_%019llu\",\"delta\":{\"type\":"
    "\"text_delta\",\"text\":\"",
    "data: {\"responseId\":\"fp_%019llu\",\"modelVersion\":\"mock\",\"candidates\": [{\"index\":0,\"content\": "
    "{\"role\": \"model\",\"parts\": "
    "[{\"text\": \""};
static const char *const event_back[] = {"\"},\"finish_reason\":null}]}\n\n", "\"}\n\n", "\"}}\n\n",
                                         "\"}]}}]}\r\n\r\n"};

void mock_stream_event(const struct mock_plan *plan, struct mock_bytes *out, long index, uint64_t stamp) {
  if (plan->pings)
    add(out, plan->dialect == MOCK_ANTHROPIC ? "event: ping\ndata: {\"type\": \"ping\"}\n\n" : ": ping\n\n");
  char front[512];
  /* The dialect's own table: the format is one of ours. */
  snprintf(front, sizeof(front), event_front[plan->dialect], (unsigned long long)stamp); // NOLINT
  add(out, front);
  char number[24];
  mock_add(out, number, (size_t)snprintf(number, sizeof(number), "%ld ", index));
  filler(out, plan->big > 0 ? plan->big : plan->size);
  add(out, event_back[plan->dialect]);
}

void mock_stream_end(const struct mock_plan *plan, struct mock_bytes *out) {
  if (plan->error_event) {
    add(out,
        plan->dialect == MOCK_ANTHROPIC
            ? "event: error\ndata: "
              "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
            : "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"code\":500}}\n\n");
    return;
  }
  switch (plan->dialect) {
  case MOCK_CHAT:
    add(out, "data: "
             "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\","
             "\"choices\":"
             "[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11,\"completion_"
             "tokens\":7,"
             "\"total_tokens\":18}}\n\ndata: [DONE]\n\n");
    break;
  case MOCK_RESPONSES:
    add(out, "event: response.completed\ndata: "
             "{\"type\":\"response.completed\",\"sequence_number\":9,\"response\":{\"id\":\"resp_mock\","
             "\"object\":\"response\",\"created_at\":1700000000,\"status\":\"completed\",\"model\":\"mock\",\"output\":"
             "[],\"usage\":"
             "{\"input_tokens\":11,\"output_tokens\":7,\"total_tokens\":18}}}\n\n");
    break;
  case MOCK_ANTHROPIC:
    add(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: "
             "message_delta\ndata: {\"type\":"
             "\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_"
             "tokens\":7}}\n\n"
             "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    break;
  case MOCK_GEMINI:
    add(out,
        "data: {\"candidates\": [{\"index\":0,\"content\": {\"role\": \"model\",\"parts\": [{\"text\": "
        "\"\"}]},\"finishReason\": "
        "\"STOP\"}],\"usageMetadata\": {\"promptTokenCount\": 11,\"candidatesTokenCount\": 7,\"totalTokenCount\": 18},"
        "\"modelVersion\": \"mock\"}\r\n\r\n");
    break;
  }
}

static void whole_error(const struct mock_plan *plan, struct mock_bytes *out) {
  if (plan->dialect == MOCK_ANTHROPIC)
    mock_printf(out,
                "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"mock says "
                "%d\"},\"request_id\":\"req_mock\"}",
                plan->status);
  else if (plan->dialect == MOCK_GEMINI)
    mock_printf(out,
                "{\n  \"error\": {\n    \"code\": %d,\n    \"message\": \"mock says %d\",\n    \"status\": "
                "\"INTERNAL\"\n  }\n}\n",
                plan->status, plan->status);
  else
    mock_printf(
        out, "{\"error\":{\"message\":\"mock says %d\",\"type\":\"mock_error\",\"param\":null,\"code\":\"mock_code\"}}",
        plan->status);
}

void mock_whole(const struct mock_plan *plan, struct mock_bytes *out) {
  static const char *const front[] = {"{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":1700000000,"
                                      "\"model\":\"mock\",\"choices\":[{\"index\":0,"
                                      "\"message\":{\"role\":\"assistant\",\"content\":\"",
                                      "{\"id\":\"resp_mock\",\"object\":\"response\",\"created_at\":1700000000,"
                                      "\"status\":\"completed\",\"model\":\"mock\",\"output\":[{\"type\":"
                                      "\"message\",\"id\":\"msg_mock\",\"role\":\"assistant\",\"status\":\"completed\","
                                      "\"content\":[{\"type\":\"output_text\",\"annotations\":"
                                      "[],\"text\":\"",
                                      "{\"id\":\"msg_mock\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
                                      "\"mock\",\"content\":[{\"type\":\"text\",\"text\":\"",
                                      "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \""};
  static const char *const back[] = {
      "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}",
      "\"}]}],\"usage\":{\"input_tokens\":11,\"output_tokens\":7,\"total_tokens\":18}}",
      "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":11,\"output_tokens\":7}}",
      "\"}],\"role\": \"model\"},\"finishReason\": \"STOP\"}],\"usageMetadata\": {\"promptTokenCount\": "
      "11,\"candidatesTokenCount\": 7,"
      "\"totalTokenCount\": 18}}"};
  if (plan->status >= 400) {
    whole_error(plan, out);
    return;
  }
  add(out, front[plan->dialect]);
  filler(out, plan->size);
  add(out, back[plan->dialect]);
}
