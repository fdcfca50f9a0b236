local endpoints = require("cliproxy.endpoints")
local fixtures = require("spec.support.fixtures")
local json = require("cliproxy.json")
local view_of = require("cliproxy.view")

local function open(dialect, text, operation)
  local document = assert(json.parse(text))
  return view_of.of(document, { dialect = dialect, operation = operation or "generate", model = "m", stream = true }),
    document
end

local function list(items, field)
  local out = {}
  for i, item in ipairs(items) do
    out[i] = item[field]
  end
  return out
end

-- The same conversation in the four dialects.
local SAME = {
  openai_chat = [[{"model":"m","messages":[
    {"role":"system","content":"Be brief."},
    {"role":"user","content":[{"type":"text","text":"Look "},{"type":"image_url","image_url":{"url":"data:,x"}},
      {"type":"text","text":"here."}]},
    {"role":"assistant","content":"I look.","tool_calls":[{"id":"c1","type":"function","function":{"name":"ls",
      "arguments":"{\"path\": \"/\"}"}}]},
    {"role":"tool","tool_call_id":"c1","content":"bin etc"},
    {"role":"user","content":"Thanks"}],
    "tools":[{"type":"function","function":{"name":"ls","description":"Lists.","parameters":{}}}],
    "max_tokens":100,"temperature":1.0,"top_p":0.5,"stop":"END","seed":7}]],
  openai_responses = [[{"model":"m","instructions":"Be brief.","input":[
    {"role":"user","content":[{"type":"input_text","text":"Look "},{"type":"input_image","image_url":"data:,x"},
      {"type":"input_text","text":"here."}]},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look.","annotations":[]}]},
    {"type":"function_call","call_id":"c1","name":"ls","arguments":"{\"path\": \"/\"}"},
    {"type":"function_call_output","call_id":"c1","output":"bin etc"},
    {"role":"user","content":"Thanks"}],
    "tools":[{"type":"function","name":"ls","description":"Lists.","parameters":{}}],
    "max_output_tokens":100,"temperature":1.0,"top_p":0.5}]],
  anthropic = [[{"model":"m","system":[{"type":"text","text":"Be brief."}],"messages":[
    {"role":"user","content":[{"type":"text","text":"Look "},{"type":"image","source":{"type":"url","url":"x"}},
      {"type":"text","text":"here."}]},
    {"role":"assistant","content":[{"type":"text","text":"I look."},
      {"type":"tool_use","id":"c1","name":"ls","input":{"path": "/"}}]},
    {"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"bin etc"}]},
    {"role":"user","content":"Thanks"}],
    "tools":[{"name":"ls","description":"Lists.","input_schema":{"type":"object"}}],
    "max_tokens":100,"temperature":1.0,"top_p":0.5,"top_k":3,"stop_sequences":["END"]}]],
  gemini = [[{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[
    {"role":"user","parts":[{"text":"Look "},{"inlineData":{"mimeType":"image/png","data":"eA=="}},{"text":"here."}]},
    {"role":"model","parts":[{"text":"I look."},{"functionCall":{"name":"ls","id":"c1","args":{"path": "/"}}}]},
    {"role":"user","parts":[{"functionResponse":{"name":"ls","id":"c1","response":{"output":"bin etc"}}}]},
    {"role":"user","parts":[{"text":"Thanks"}]}],
    "tools":[{"functionDeclarations":[{"name":"ls","description":"Lists.","parameters":{"type":"OBJECT"}}]}],
    "generationConfig":{"maxOutputTokens":100,"temperature":1.0,"topP":0.5,"topK":3,"stopSequences":["END"],
      "seed":7}}]],
}
SAME.gemini_snake = SAME.gemini:gsub("systemInstruction", "system_instruction"):gsub("inlineData", "inline_data")
  :gsub("mimeType", "mime_type"):gsub("functionCall", "function_call"):gsub("functionResponse", "function_response")
  :gsub("functionDeclarations", "function_declarations"):gsub("generationConfig", "generation_config")
  :gsub("maxOutputTokens", "max_output_tokens"):gsub("topP", "top_p"):gsub("topK", "top_k")
  :gsub("stopSequences", "stop_sequences")

local function each_dialect(fn)
  for name, text in pairs(SAME) do
    local view, document = open(name:gsub("_snake", ""), text)
    fn(view, document, name, text)
  end
end

--- What is different after an edit: the text between the common beginning and the common end.
local function difference(before, after)
  local first = 1
  while first <= #before and before:byte(first) == after:byte(first) do
    first = first + 1
  end
  local last = 0
  while last < #before - first + 1 and last < #after - first + 1
    and before:byte(#before - last) == after:byte(#after - last) do
    last = last + 1
  end
  return before:sub(first, #before - last), after:sub(first, #after - last)
end

describe("a view", function()
  it("shows the same conversation in every dialect", function()
    each_dialect(function(view, _, name)
      local roles, texts = {}, {}
      for _, message in ipairs(view.messages) do
        roles[#roles + 1], texts[#texts + 1] = message.role, message.text
      end
      assert.equal("Be brief.", view.system, name)
      if name == "openai_responses" then -- each item is a message
        assert.same({ "user", "assistant", "assistant", "tool", "user" }, roles)
        assert.same({ "Look here.", "I look.", "", "bin etc", "Thanks" }, texts)
      else
        assert.same({ "user", "assistant", "tool", "user" }, roles, name)
        assert.same({ "Look here.", "I look.", "bin etc", "Thanks" }, texts, name)
      end
      assert.same({ "text", "image", "text" }, list(view.messages[1].parts, "kind"), name)
      local parts = view.messages[name == "openai_responses" and 3 or 2].parts
      local call = parts[#parts]
      assert.same({ "tool_call", "c1", "ls", '{"path": "/"}' }, { call.kind, call.id, call.name, call.input }, name)
      local result = view.messages[name == "openai_responses" and 4 or 3].parts[1]
      assert.same({ "tool_result", "c1", "bin etc", false }, { result.kind, result.id, result.text, result.is_error },
        name)
      assert.same({ "ls", "Lists.", "function" }, { view.tools[1].name, view.tools[1].description,
        view.tools[1].kind }, name)
      assert.same({ 100, 1, 0.5 }, { view.max_tokens, view.temperature, view.top_p }, name)
      assert.same({ "m", true }, { view.model, view.stream })
    end)
  end)

  it("has nil for what a dialect has no field for, and says so when it is set", function()
    local chat, responses = open("openai_chat", SAME.openai_chat), open("openai_responses", SAME.openai_responses)
    assert.same({ nil, 7, { "END" } }, { chat.top_k, chat.seed, chat.stop })
    assert.is_nil(responses.stop)
    assert.has_error(function()
      responses.stop = "x"
    end, "view.stop: Responses has no such field")
    assert.same({ "END" }, open("anthropic", SAME.anthropic).stop)
    assert.equal(3, open("gemini", SAME.gemini_snake).top_k)
  end)

  it("changes nothing by being read, whatever was written again", function()
    each_dialect(function(view, document, name, text)
      view.system = view.system
      for _, message in ipairs(view.messages) do
        message.text = message.text
        for _, part in ipairs(message.parts) do
          if part.text and part.kind ~= "reasoning" then
            part.text = part.text
          end
          if part.input then
            part.input = part.input
          end
        end
      end
      assert.equal(text, json.encode(document), name)
    end)
  end)

  it("splices what is set, and nothing else", function()
    each_dialect(function(view, document, name, text)
      local messages = view.messages
      messages[#messages].text = "Danke"
      local before, after = difference(text, json.encode(document))
      assert.same({ "Thanks", "Danke" }, { before, after }, name)
    end)
    each_dialect(function(view, document, name, text)
      view.tools[1].description = "Shows."
      assert.same({ "List", "Show" }, { difference(text, json.encode(document)) }, name)
    end)
    each_dialect(function(view, document, name, text)
      view.max_tokens = 300
      assert.same({ "1", "3" }, { difference(text, json.encode(document)) }, name)
    end)
  end)

  it("sets the results of tools and the inputs of calls", function()
    each_dialect(function(view, document, name, text)
      for _, message in ipairs(view.messages) do
        for _, part in ipairs(message.parts) do
          if part.kind == "tool_result" then
            part.text = "empty"
            assert.equal("empty", message.text, name)
          elseif part.kind == "tool_call" then
            part.input = '{"path": "/", "all":1.0}'
            assert.equal('{"path": "/", "all":1.0}', part.input, name)
          end
        end
      end
      local got = json.encode(document)
      assert.equal(#text - 2 + (name:find("^openai") and 13 or 11), #got, name)
    end)
  end)

  it("keeps the parts of a text that grows, and their breakpoints", function()
    local text = [[{"system":[{"type":"text","text":"One."},{"type":"text","text":"Two.","cache_control":{"type":"ephemeral"}}],"messages":[]}]] -- luacheck: ignore 631
    local view, document = open("anthropic", text)
    assert.equal("One.\nTwo.", view.system)
    view.system = view.system .. " More."
    assert.same({ '', ' More.' }, { difference(text, json.encode(document)) })
    view.system = "First. " .. view.system
    assert.same({ "First. One.", "Two. More." }, list(view.system_parts, "text"))
    view.system = "Other."
    assert.equal('{"system":[{"type":"text","text":"Other.","cache_control":{"type":"ephemeral"}}],"messages":[]}',
      json.encode(document))
    view.system = nil
    assert.equal('{"messages":[]}', json.encode(document))
  end)

  it("makes a system text where there is none", function()
    local function set(dialect, text)
      local view, document = open(dialect, text)
      assert.is_nil(view.system)
      view.system = "Hi"
      assert.equal("Hi", view.system)
      return json.encode(document)
    end
    assert.equal('{"messages":[{"role":"system","content":"Hi"},{"role":"user","content":"x"}]}',
      set("openai_chat", '{"messages":[{"role":"user","content":"x"}]}'))
    assert.equal('{"input":"x","instructions":"Hi"}', set("openai_responses", '{"input":"x"}'))
    assert.equal('{"messages":[],"system":"Hi"}', set("anthropic", '{"messages":[]}'))
    assert.equal('{"contents":[],"systemInstruction":{"parts":[{"text":"Hi"}]}}', set("gemini", '{"contents":[]}'))
    local view = open("openai_chat", "{}")
    assert.has_error(function()
      view.system = "Hi"
    end, "view.system: the request has no list of messages")
  end)

  it("takes all leading system and developer messages as the system's, later ones as messages", function()
    local view, document = open("openai_chat", [[{"messages":[{"role":"system","content":"a"},
      {"role":"developer","content":[{"type":"text","text":"b"}]},{"role":"user","content":"u"},
      {"role":"system","content":"c"}]}]])
    assert.equal("a\nb", view.system)
    assert.same({ "user", "system" }, list(view.messages, "role"))
    view.system = nil
    assert.equal('{"messages":[{"role":"user","content":"u"},\n      {"role":"system","content":"c"}]}',
      json.encode(document))
  end)

  it("makes what holds a field where that is missing, in the request's own spelling", function()
    local function set(dialect, text, field, value)
      local view, document = open(dialect, text)
      view[field] = value
      return json.encode(document)
    end
    assert.equal('{"generationConfig":{"maxOutputTokens":5}}', set("gemini", "{}", "max_tokens", 5))
    assert.equal('{"generation_config":{"top_k":5}}', set("gemini", '{"generation_config":{}}', "top_k", 5))
    assert.equal('{"max_completion_tokens":5}', set("openai_chat", "{}", "max_tokens", 5))
    assert.equal('{"max_tokens":5}', set("openai_chat", '{"max_tokens":4}', "max_tokens", 5))
    assert.equal('{"stop_sequences":["a"]}', set("anthropic", "{}", "stop", "a"))
    assert.equal("{}", set("anthropic", '{"stop_sequences":["a"]}', "stop", nil))
    assert.equal("{}", set("gemini", "{}", "temperature", nil))
  end)

  it("refuses what cannot be set", function()
    local view = open("anthropic", SAME.anthropic)
    local function refused(message, fn)
      local ok, said = pcall(fn)
      assert.is_false(ok, message)
      assert.equal(message, (tostring(said):gsub("^spec/[^:]+:%d+: ", "")))
    end
    refused("view.model cannot be set: routes in config.lua decide where a request goes", function()
      view.model = "x"
    end)
    refused("view.max_tokens: expected a number, found string", function()
      view.max_tokens = "5"
    end)
    refused("view.max_tokens: expected a whole number, found 1.5", function()
      view.max_tokens = 1.5
    end)
    refused("view.system: expected a string, found number", function()
      view.system = 5
    end)
    refused("a view has no field 'sytem'; it has max_tokens, messages, model, seed, stop, stream, system, "
      .. "system_parts, temperature, tools, top_k, top_p", function()
      return view.sytem
    end)
    refused("message.text: cannot put this into a document: a string that is not valid UTF-8", function()
      view.messages[1].text = "\255"
    end)
    refused("message.role cannot be set", function()
      view.messages[1].role = "user"
    end)
    refused("part.text: a part of kind image has no text", function()
      view.messages[1].parts[2].text = "x"
    end)
    refused("part.input: expected the text of a JSON object", function()
      view.messages[2].parts[2].input = "[]"
    end)
    refused("add to view.messages with context.insert(view.messages, index, { role =, text = })", function()
      view.messages[#view.messages + 1] = { role = "user", text = "x" }
    end)
    refused("context.remove takes a message, a part or a tool, found object", function()
      view_of.remove({ role = "user" })
    end)
    refused("context.remove takes a message, a part or a tool, found nil", function()
      view_of.remove(nil)
    end)
  end)

  it("notices lists that were changed as tables", function()
    local view = open("openai_chat", SAME.openai_chat)
    assert.is_nil(view_of.problem(view))
    table.remove(view.messages, 1)
    assert.equal("view.messages was changed as a table; use context.insert and context.remove", view_of.problem(view))
  end)

  it("shows several results of one message part by part", function()
    local view, document = open("anthropic", [[{"messages":[{"role":"user","content":[
      {"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"1"},{"type":"text","text":"2"}]},
      {"type":"tool_result","tool_use_id":"b","is_error":true}]}]}]])
    local message = view.messages[1]
    assert.same({ "tool", "12\n" }, { message.role, message.text })
    assert.has_error(function()
      message.text = "x"
    end, "message.text: the message holds 2 tool results; set the text of each part")
    message.parts[1].text = "one"
    message.parts[2].text = "two"
    assert.same({ "one", "two" }, list(message.parts, "text"))
    assert.same({ false, true }, list(message.parts, "is_error"))
    assert.equal([[{"messages":[{"role":"user","content":[
      {"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"one"}]},
      {"type":"tool_result","tool_use_id":"b","is_error":true,"content":"two"}]}]}]], json.encode(document))
  end)

  it("shows Gemini's results that are objects as JSON, and takes both", function()
    local view, document = open("gemini", [[{"contents":[{"parts":[
      {"functionResponse":{"name":"f","response":{"a":1.0}}},{"functionResponse":{"name":"g","response":{"error":"no"}}}
      ]}]}]])
    local parts = view.messages[1].parts
    assert.same({ '{"a":1.0}', "no" }, list(parts, "text"))
    assert.same({ false, true }, list(parts, "is_error"))
    parts[1].text = '{"b":[]}'
    assert.equal('{"b":[]}', json.raw(document.contents[1].parts[1].functionResponse, "response"))
    parts[1].text = "words"
    assert.equal('{"output":"words"}', json.raw(document.contents[1].parts[1].functionResponse, "response"))
    assert.equal("words", parts[1].text)
  end)

  it("shows thoughts, which cannot be changed but taken out", function()
    local view, document = open("anthropic", [[{"messages":[{"role":"assistant","content":[
      {"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"ok"}]}]}]])
    local part = view.messages[1].parts[1]
    assert.same({ "reasoning", "hm" }, { part.kind, part.text })
    assert.equal("ok", view.messages[1].text)
    assert.has_error(function()
      part.text = "no"
    end, "part.text: what a model thought cannot be changed; context.remove(part) takes it out")
    view_of.remove(part)
    assert.equal('{"type":"text","text":"ok"}', json.raw(document.messages[1].content, 1))
    assert.equal(1, #document.messages[1].content)
  end)

  it("reads requests of any shape without raising", function()
    local shapes = { "{}", '{"messages":5,"input":5,"contents":{},"system":7,"tools":"x","generationConfig":[]}',
      '{"messages":[1,null,"x",[],{}],"input":[1,null,"x",[],{}],"contents":[1,null,[],{}],"tools":[1,null,[],{}]}',
      '{"messages":[{"role":7,"content":{"a":1}},{"role":"assistant","content":null,"tool_calls":[5,{}]}]}',
      '{"messages":[{"role":"user","content":[5,{"type":"text"},{"type":7},{"type":"tool_result"}]}]}',
      '{"input":[{"type":"function_call"},{"type":"function_call_output"},{"type":"reasoning"},{"type":5}]}',
      '{"contents":[{"parts":[5,{},{"functionCall":{}},{"functionResponse":{}},{"text":5}]}],"stop":5}',
      '{"tools":[{"type":"namespace","tools":[{"name":"x"}]},{"functionDeclarations":5}],"system":[{"type":"text"}]}' }
    for _, shape in ipairs(shapes) do
      for _, dialect in ipairs({ "openai_chat", "openai_responses", "anthropic", "gemini" }) do
        for _, operation in ipairs({ "generate", "count", "embed", "complete" }) do
          local view, document = open(dialect, shape, operation)
          for _, name in ipairs({ "system", "max_tokens", "stop", "seed" }) do
            assert.has_no_error(function()
              return type(view[name])
            end)
          end
          for _, message in ipairs(view.messages) do
            assert.is_string(message.role)
            assert.is_string(message.text)
            for _, part in ipairs(message.parts) do
              for _, name in ipairs({ "kind", "text", "input", "id", "name", "is_error", "raw" }) do
                assert.is_string(type(part[name]))
              end
            end
          end
          for _, tool in ipairs(view.tools) do
            assert.is_string(tool.name)
          end
          view_of.each_text(view, function(text)
            return text
          end)
          assert.equal(shape, json.encode(document))
        end
      end
    end
  end)

  it("shows what embeddings and completions are given, and a count's whole request", function()
    local function texts(dialect, text, operation)
      return list(open(dialect, text, operation).messages, "text")
    end
    assert.same({ "a", "b" }, texts("openai_chat", '{"input":["a","b",[1,2]]}', "embed"))
    assert.same({ "p", "s" }, texts("openai_chat", '{"prompt":"p","suffix":"s"}', "complete"))
    assert.same({ "a" }, texts("gemini", '{"content":{"parts":[{"text":"a"}]}}', "embed"))
    assert.same({ "a", "b" }, texts("gemini",
      '{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}', "embed"))
    assert.same({ "a" }, texts("gemini", '{"generateContentRequest":{"contents":[{"parts":[{"text":"a"}]}]}}', "count"))
    local view, document = open("openai_chat", '{"input":["a","b"]}', "embed")
    view.messages[2].text = "c"
    assert.equal('{"input":["a","c"]}', json.encode(document))
    assert.has_error(function()
      view_of.remove(view.messages[1])
    end, "context.remove: the messages of a request without a conversation cannot be taken out")
    assert.has_error(function()
      view_of.insert(view.messages, 1, { role = "user", text = "x" })
    end, "context.insert: nothing can be added to the messages of a request without a conversation")
  end)
end)

describe("context.remove", function()
  it("takes messages out, in any order", function()
    each_dialect(function(view, document, name)
      local messages = view.messages
      local last = messages[#messages]
      for i = #messages - 1, 1, -1 do
        view_of.remove(messages[i])
      end
      assert.same({ "Thanks" }, list(view.messages, "text"), name)
      assert.equal(last, view.messages[1])
      assert.is_nil(view_of.problem(view))
      assert.equal("Be brief.", view.system, name)
      local again = view_of.of(document, { dialect = name:gsub("_snake", ""), operation = "generate" })
      assert.same({ "Thanks" }, list(again.messages, "text"), name)
    end)
  end)

  it("takes parts out, and the message with its last one", function()
    local view, document = open("openai_chat", SAME.openai_chat)
    local first, second = view.messages[1], view.messages[2]
    view_of.remove(first.parts[1])
    view_of.remove(first.parts[1])
    assert.same({ "text" }, list(first.parts, "kind"))
    view_of.remove(first.parts[1])
    assert.same({ "assistant", "tool", "user" }, list(view.messages, "role"))
    view_of.remove(second.parts[1])
    assert.equal(json.null, document.messages[2].content)
    view_of.remove(second.parts[1])
    assert.same({ "tool", "user" }, list(view.messages, "role"))
    assert.has_error(function()
      second.text = "x"
    end, "message.text: it was removed from the request")
    assert.is_nil(view_of.problem(view))
  end)

  it("takes calls out with the list that has become empty", function()
    local view, document = open("openai_chat", SAME.openai_chat)
    view_of.remove(view.messages[2].parts[2])
    assert.equal('{"role":"assistant","content":"I look."}', json.raw(document.messages, 3))
  end)

  it("takes the system's parts out", function()
    local view, document = open("openai_chat",
      '{"messages":[{"role":"system","content":"a"},{"role":"system","content":"b"},{"role":"user","content":"u"}]}')
    view_of.remove(view.system_parts[1])
    assert.equal('{"messages":[{"role":"system","content":"b"},{"role":"user","content":"u"}]}', json.encode(document))
  end)

  it("takes tools out, and what chooses among them with the last", function()
    local function without(dialect, text, name)
      local view, document = open(dialect, text)
      for i = #view.tools, 1, -1 do
        if view.tools[i].name == name then
          view_of.remove(view.tools[i])
        end
      end
      return json.encode(document)
    end
    local function f(name)
      return ('{"type":"function","function":{"name":"%s"}}'):format(name)
    end
    assert.equal('{"tools":[' .. f("b") .. '],"tool_choice":"auto"}',
      without("openai_chat", '{"tools":[' .. f("a") .. "," .. f("b") .. '],"tool_choice":"auto"}', "a"))
    assert.equal("{}", without("openai_chat", '{"tools":[' .. f("a") .. '],"tool_choice":"auto"}', "a"))
    assert.equal("{}", without("openai_responses",
      '{"tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"a"}]}],"tool_choice":"auto"}',
      "a"))
    assert.equal('{"tools":[{"googleSearch":{}}]}', without("gemini",
      '{"tools":[{"functionDeclarations":[{"name":"a"}]},{"googleSearch":{}}]}', "a"))
    assert.equal('{"tools":[{"functionDeclarations":[{"name":"a"}]}],"toolConfig":{}}', without("gemini",
      '{"tools":[{"functionDeclarations":[{"name":"a"}],"googleSearch":{}}],"toolConfig":{}}', "googleSearch"))
    assert.equal("{}", without("gemini", '{"tools":[{"functionDeclarations":[{"name":"a"}]}],"toolConfig":{}}', "a"))
    assert.equal("{}", without("anthropic", '{"tools":[{"type":"web_search_20250305","name":"w"}],"tool_choice":{}}',
      "w"))
  end)
end)

describe("context.insert", function()
  it("puts messages in where they are meant to be", function()
    each_dialect(function(view, document, name)
      view_of.insert(view.messages, 1, { role = "user", text = "first" })
      local second = view_of.insert(view.messages, 2, { role = "assistant", text = "second" })
      view_of.insert(view.messages, { role = "user", text = "last" })
      assert.same({ "assistant", "second" }, { second.role, second.text }, name)
      assert.is_nil(view_of.problem(view))
      local again = view_of.of(document, { dialect = name:gsub("_snake", ""), operation = "generate" })
      local texts = list(again.messages, "text")
      assert.same(list(view.messages, "text"), texts, name)
      assert.same({ "first", "second", "Look here.", "last" }, { texts[1], texts[2], texts[3], texts[#texts] }, name)
      assert.equal("Be brief.", again.system, name)
    end)
  end)

  it("makes a list of an input that is one string", function()
    local view, document = open("openai_responses", '{"input":"a\\u0062"}')
    local before = view.messages[1]
    view_of.insert(view.messages, 1, { role = "system", text = "s" })
    assert.equal('{"input":[{"role":"system","content":"s"},{"role":"user","content":"a\\u0062"}]}',
      json.encode(document))
    before.text = "c"
    assert.equal("c", document.input[2].content)
  end)

  it("says what is wrong", function()
    local view = open("gemini", SAME.gemini)
    local function refused(message, ...)
      local ok, said = pcall(view_of.insert, ...)
      assert.is_false(ok)
      assert.equal("context.insert: " .. message, (said:gsub("^[^ ]+:%d+: ", "")))
    end
    refused("Gemini has no system messages between others: set view.system", view.messages, 1,
      { role = "system", text = "x" })
    refused('role may be "user", "assistant" or "system"', view.messages, 1, { role = "tool", text = "x" })
    refused("expected a string, found nil", view.messages, 1, { role = "user" })
    refused("a new message has role and text, not 'content'", view.messages, 1, { role = "user", content = "x" })
    refused("index from 1 to 5 expected, found 9", view.messages, 9, { role = "user", text = "x" })
    refused("expected view.messages", view.tools, 1, { role = "user", text = "x" })
    refused("expected view.messages", {}, 1, { role = "user", text = "x" })
  end)
end)

describe("context.each_text", function()
  it("sees all that a model is to read, and changes it in its place", function()
    each_dialect(function(view, document, name, text)
      local seen = {}
      view_of.each_text(view, function(words, kind, role)
        seen[#seen + 1] = ("%s %s %s"):format(kind, tostring(role), words)
        return words == "bin etc" and "BIN ETC" or nil
      end)
      assert.same({ "system system Be brief.", "text user Look ", "text user here.", "text assistant I look.",
        "tool_call assistant /", "tool_result tool bin etc", "text user Thanks", "tool nil Lists." }, seen, name)
      assert.same({ "bin etc", "BIN ETC" }, { difference(text, json.encode(document)) }, name)
    end)
  end)

  it("looks into inputs that are text, unknown parts and blocks of results, but at no thoughts and data", function()
    local seen = {}
    local function look(dialect, text)
      view_of.each_text((open(dialect, text)), function(words)
        seen[#seen + 1] = words
      end)
    end
    look("anthropic", [[{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},
      {"type":"web_search_tool_result","content":[{"type":"web_search_result","title":"title","url":"u",
      "encrypted_content":"e"}]}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":[
      {"type":"text","text":"one"},{"type":"image","source":{"type":"base64","data":"d","media_type":"image/png"}},
      {"type":"search_result","title":"st","source":"so","content":[{"type":"text","text":"found"}]}]},
      {"type":"document","title":"dt","source":{"type":"text","data":"plain","media_type":"text/plain"}}]}]}]])
    assert.same({ "title", "u", "one", "st", "so", "found", "plain", "dt" }, seen)
    seen = {}
    look("openai_chat", [[{"messages":[{"role":"assistant","reasoning_content":"why","content":null,"tool_calls":[
      {"function":{"name":"f","arguments":"{\"a\":[\"x\",1],\"b\":{\"c\":\"y\"}}"}},
      {"function":{"name":"f","arguments":"no {json"}}]}],"prediction":{"type":"content","content":"p"}}]])
    assert.same({ "why", "x", "y", "no {json", "p" }, seen)
  end)

  it("writes a changed input as it was written, but for the change", function()
    local view, document = open("openai_chat",
      [[{"messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":"{ \"a\": 1.0, \"b\":\"x\" }"}}]}]}]])
    view_of.each_text(view, function()
      return "y"
    end)
    assert.equal('{ "a": 1.0, "b":"y" }', document.messages[1].tool_calls[1]["function"].arguments)
  end)

  it("refuses what is no text, and lets the function's own errors through", function()
    local view = open("openai_chat", SAME.openai_chat)
    assert.has_error(function()
      view_of.each_text(view, function()
        return 5
      end)
    end, "context.each_text: its function returns a text or nil, not a number")
    assert.has_error(function()
      view_of.each_text(view, function()
        error("mine", 0)
      end)
    end, "mine")
  end)
end)

describe("recorded requests", function()
  local recorded = fixtures.all()
  if not recorded then
    pending("are not there")
    return
  end

  it("pass byte for byte, whatever of them is read and written again", function()
    local texts, tools, kinds = 0, 0, {}
    for _, fixture in ipairs(recorded) do
      local endpoint = endpoints.find((fixture.path:gsub("%?.*", "")))
      local view, document = open(endpoint.dialect, fixture.request, endpoint.operation)
      view.system = view.system
      for _, message in ipairs(view.messages) do
        message.text = message.text
        for _, part in ipairs(message.parts) do
          kinds[part.kind] = (kinds[part.kind] or 0) + 1
          if part.input then
            part.input = part.input
          end
        end
      end
      view_of.each_text(view, function(words)
        texts = texts + 1
        return words
      end)
      tools = tools + #view.tools
      assert.equal(fixture.request, json.encode(document), fixture.name)
    end
    assert.is_true(texts > #recorded and tools > 50)
    for _, kind in ipairs({ "text", "image", "document", "reasoning", "tool_call", "tool_result" }) do
      assert.is_true((kinds[kind] or 0) > 3, kind)
    end
  end)

  it("lose messages, parts and tools one by one without raising, and stay JSON", function()
    for _, fixture in ipairs(recorded) do
      local endpoint = endpoints.find((fixture.path:gsub("%?.*", "")))
      if endpoint.operation == "generate" then
        local view, document = open(endpoint.dialect, fixture.request, endpoint.operation)
        for i = #view.tools, 1, -1 do
          view_of.remove(view.tools[i])
        end
        for i = #view.messages, 1, -1 do
          local parts = view.messages[i].parts
          for k = #parts, 1, -1 do
            view_of.remove(parts[k])
          end
        end
        view.system = nil
        assert.is_nil(view_of.problem(view))
        local left = open(endpoint.dialect, json.encode(document), endpoint.operation)
        assert.same({ 0, 0 }, { #left.messages, #left.tools }, fixture.name)
        assert.is_nil(left.system)
      end
    end
  end)
end)
