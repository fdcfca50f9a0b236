--- What is measured by load: one row each, as data. `unit` counts what the CPU time is divided by.
---
--- mark = { of = rival, plus = µs } or { of = rival, times = factor }: the mark is made from that rival's figure of
--- the same run. A model "mock-PLAN" tells the mock upstream what to do: the floor passes bodies alone.
---
--- `translated`: what cliproxy is sent in place of path and data. Its client speaks Anthropic's dialect, its provider
--- Chat's; the others pass Chat both ways, so that the upstream does the same for all.
local CHAT = "/v1/chat/completions"
local MESSAGES = "/v1/messages"
local AGENT = { size = 430 * 1024, dialect = "openai_chat", model = "bench" }

return {
  {
    name = "small", title = "small JSON, same dialect, scripted; µs CPU a request", unit = "requests",
    path = CHAT, data = '{"model":"bench","messages":[{"role":"user","content":"Say hello."}],"max_tokens":64}',
    connections = 8, requests = 20000, warm = 2000, mark = { of = "floor", plus = 12 },
  },
  {
    name = "burst", title = "stream in a burst, same dialect; µs CPU an event", unit = "events",
    path = CHAT,
    data = '{"model":"mock-events=1000","stream":true,"messages":[{"role":"user","content":"Go."}]}',
    connections = 4, requests = 400, warm = 20, contains = "[DONE]", mark = { of = "nginx", times = 1.2 },
  },
  {
    name = "paced", title = "stream paced 5 ms, same dialect; µs CPU an event", unit = "events",
    path = CHAT,
    data = '{"model":"mock-events=400,pace=5","stream":true,"messages":[{"role":"user","content":"Go."}]}',
    connections = 50, requests = 50, contains = "[DONE]", mark = { of = "nginx", times = 1.3 },
  },
  {
    name = "agent", title = "430 KB agent request, same dialect; µs CPU a request", unit = "requests",
    path = CHAT, agent = AGENT, connections = 4, requests = 2000, warm = 100, mark = { of = "nginx", times = 1.5 },
  },
  {
    name = "small-tr", title = "small JSON, translated both ways; µs CPU a request", unit = "requests",
    path = CHAT, data = '{"model":"bench","messages":[{"role":"user","content":"Say hello."}],"max_tokens":64}',
    translated = { path = MESSAGES,
      data = '{"model":"chat/bench","messages":[{"role":"user","content":"Say hello."}],"max_tokens":64}' },
    connections = 8, requests = 20000, warm = 2000, mark = { of = "floor", plus = 35 },
  },
  {
    name = "burst-tr", title = "stream in a burst, translated; µs CPU an event", unit = "events",
    path = CHAT,
    data = '{"model":"mock-events=1000","stream":true,"messages":[{"role":"user","content":"Go."}]}',
    translated = { path = MESSAGES, contains = "message_stop",
      data = '{"model":"chat/mock-events=1000","max_tokens":64,"stream":true,'
        .. '"messages":[{"role":"user","content":"Go."}]}' },
    connections = 4, requests = 400, warm = 20, contains = "[DONE]", mark = { of = "nginx", times = 3 },
  },
  {
    name = "paced-tr", title = "stream paced 5 ms, translated; µs CPU an event", unit = "events",
    path = CHAT,
    data = '{"model":"mock-events=400,pace=5","stream":true,"messages":[{"role":"user","content":"Go."}]}',
    translated = { path = MESSAGES, contains = "message_stop",
      data = '{"model":"chat/mock-events=400,pace=5","max_tokens":64,"stream":true,'
        .. '"messages":[{"role":"user","content":"Go."}]}' },
    connections = 50, requests = 50, contains = "[DONE]", mark = { of = "nginx", times = 1.3 },
  },
  {
    name = "agent-tr", title = "430 KB agent request, translated; µs CPU a request", unit = "requests",
    path = CHAT, agent = AGENT,
    translated = { path = MESSAGES, agent = { size = AGENT.size, dialect = "anthropic", model = "chat/bench" } },
    connections = 4, requests = 2000, warm = 100, mark = { of = "nginx", times = 3 },
  },
}
