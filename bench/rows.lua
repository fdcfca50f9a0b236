--- What is measured by load: one row each, as data. `unit` counts what the CPU time is divided by.
---
--- mark = { of = rival, plus = µs } or { of = rival, times = factor }: the mark is made from that rival's figure of
--- the same run. A model "mock-PLAN" tells the mock upstream what to do: the floor passes bodies alone.
local CHAT = "/v1/chat/completions"

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
    path = CHAT, agent = 430 * 1024, connections = 4, requests = 2000, warm = 100, mark = { of = "nginx", times = 1.5 },
  },
}
