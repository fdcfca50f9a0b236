--- What clients ask: for each feature the request of each dialect, as its SDK sends it. MODEL stands for the model's
--- name. A dialect that is missing in a row has no words for the feature; `rows` says why.
local M = {}

-- A body without its braces' end, so that more members can follow.
local function body(first, rest)
  return first .. (rest and "," .. rest or "") .. "}"
end

local function chat(messages, rest)
  return body('{"model":"MODEL","messages":[' .. messages .. "]", rest)
end

local function responses(input, rest)
  return body('{"model":"MODEL","store":false,"input":[' .. input .. "]", rest)
end

local function anthropic(messages, rest)
  return body('{"model":"MODEL","max_tokens":2000,"messages":[' .. messages .. "]", rest)
end

local function gemini(contents, rest)
  return body('{"contents":[' .. contents .. "]", rest)
end

-- A user's text, a literal, in each dialect.
local function say(text)
  return {
    openai_chat = chat('{"role":"user","content":' .. text .. "}"),
    openai_responses = responses('{"role":"user","content":' .. text .. "}"),
    anthropic = anthropic('{"role":"user","content":' .. text .. "}"),
    gemini = gemini('{"role":"user","parts":[{"text":' .. text .. "}]}"),
  }
end

M.text = say '"Hello there"'

--- Escapes, an emoji as a pair of escapes and as bytes, a lone surrogate, a control character.
M.UNICODE = [["caf\u00e9 é \ud83d\ude00 😀 lone \ud83d end \/ \u0001"]]
M.unicode = say(M.UNICODE)

M.system = {
  openai_chat = chat '{"role":"system","content":"Be brief."},{"role":"user","content":"Hello there"}',
  openai_responses = responses('{"role":"user","content":"Hello there"}', '"instructions":"Be brief."'),
  anthropic = anthropic('{"role":"user","content":"Hello there"}', '"system":"Be brief."'),
  gemini = gemini('{"role":"user","parts":[{"text":"Hello there"}]}',
    '"systemInstruction":{"parts":[{"text":"Be brief."}]}'),
}

M.system_later = {
  openai_chat = chat('{"role":"user","content":"Hello there"},{"role":"assistant","content":"Hi"},'
    .. '{"role":"user","content":"More"},{"role":"system","content":"Speak French."}'),
  openai_responses = responses('{"role":"user","content":"Hello there"},{"role":"assistant","content":[{"type":'
    .. '"output_text","text":"Hi","annotations":[]}]},{"role":"user","content":"More"},'
    .. '{"role":"developer","content":"Speak French."}'),
  anthropic = anthropic('{"role":"user","content":"Hello there"},{"role":"assistant","content":"Hi"},'
    .. '{"role":"user","content":"More"},{"role":"system","content":"Speak French."}'),
}

M.turns = {
  openai_chat = chat('{"role":"user","content":"One"},{"role":"assistant","content":"Two"},'
    .. '{"role":"user","content":"Three"}'),
  openai_responses = responses('{"role":"user","content":"One"},{"type":"message","role":"assistant","content":[{'
    .. '"type":'
    .. '"output_text","text":"Two"}]},{"role":"user","content":[{"type":"input_text","text":"Three"}]}'),
  anthropic = anthropic('{"role":"user","content":"One"},{"role":"assistant","content":[{"type":"text","text":"Two"}]},'
    .. '{"role":"user","content":"Three"}'),
  gemini = gemini('{"role":"user","parts":[{"text":"One"}]},{"role":"model","parts":[{"text":"Two"}]},'
    .. '{"role":"user","parts":[{"text":"Three"}]}'),
}

-- Tools -----------------------------------------------------------------------------------------------------------

--- The schema of `get_weather`, with what a careless copy would change.
M.SCHEMA = '{"type":"object","properties":{"city":{"type":"string","enum":["Paris","Oslo"]},"n":{"type":"number",'
  .. '"default":1.0}},"required":["city"],"additionalProperties":false}'

local function tool(name, schema)
  return {
    openai_chat = ('{"type":"function","function":{"name":"%s","description":"About %s."%s}}'):format(name, name,
      schema and ',"parameters":' .. schema or ""),
    openai_responses = ('{"type":"function","name":"%s","description":"About %s.","parameters":%s,"strict":false}')
      :format(name, name, schema or '{"type":"object","properties":{}}'),
    anthropic = ('{"name":"%s","description":"About %s.","input_schema":%s}'):format(name, name,
      schema or '{"type":"object","properties":{}}'),
    gemini = ('{"name":"%s","description":"About %s."%s}'):format(name, name,
      schema and ',"parametersJsonSchema":' .. schema or ""),
  }
end

local WEATHER, CLOCK, EMPTY = tool("get_weather", M.SCHEMA),
  tool("get_time", '{"type":"object","properties":{"zone":{"type":"string"}}}'), tool("ping")

local function tools(...)
  local out = {}
  for _, dialect in ipairs { "openai_chat", "openai_responses", "anthropic", "gemini" } do
    local list = {}
    for i, one in ipairs { ... } do
      list[i] = one[dialect]
    end
    local text = table.concat(list, ",")
    out[dialect] = dialect == "gemini" and '"tools":[{"functionDeclarations":[' .. text .. "]}]"
      or '"tools":[' .. text .. "]"
  end
  return out
end

-- "Weather?" with tools and, by dialect, what else.
local function with_tools(list, more)
  more = more or {}
  local function rest(dialect)
    return list[dialect] .. (more[dialect] and "," .. more[dialect] or "")
  end
  return {
    openai_chat = chat('{"role":"user","content":"Weather?"}', rest "openai_chat"),
    openai_responses = responses('{"role":"user","content":"Weather?"}', rest "openai_responses"),
    anthropic = anthropic('{"role":"user","content":"Weather?"}', rest "anthropic"),
    gemini = gemini('{"role":"user","parts":[{"text":"Weather?"}]}', rest "gemini"),
  }
end

M.tool = with_tools(tools(WEATHER))
M.tool_without_arguments = with_tools(tools(EMPTY))

M.tool_named = with_tools(tools(WEATHER, CLOCK), {
  openai_chat = '"tool_choice":{"type":"function","function":{"name":"get_weather"}}',
  openai_responses = '"tool_choice":{"type":"function","name":"get_weather"}',
  anthropic = '"tool_choice":{"type":"tool","name":"get_weather"}',
  gemini = '"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["get_weather"]}}',
})

M.tool_forced = with_tools(tools(WEATHER, CLOCK), {
  openai_chat = '"tool_choice":"required"',
  openai_responses = '"tool_choice":"required"',
  anthropic = '"tool_choice":{"type":"any"}',
  gemini = '"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}',
})

--- The input of the first of two parallel calls, as it stands in the history.
M.INPUT = '{"city":"Paris","n":12345678901234567890,"list":[],"map":{},"x":1.0}'
local QUOTED = '"' .. M.INPUT:gsub('"', '\\"') .. '"'

local PARALLEL = tools(WEATHER, CLOCK)
M.tools_parallel = {
  -- The results come in another order than the calls, with a user's words between them.
  openai_chat = chat('{"role":"user","content":"Weather?"},{"role":"assistant","content":null,"tool_calls":[{"id":'
    .. '"call_a",'
    .. '"type":"function","function":{"name":"get_weather","arguments":' .. QUOTED .. '}},{"id":"call_b","type":'
    .. '"function",'
    .. '"function":{"name":"get_time","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_b","content":"noon"},'
    .. '{"role":"tool","tool_call_id":"call_a","content":"sunny"},{"role":"user","content":"Go on"}',
    PARALLEL.openai_chat),
  openai_responses = responses('{"role":"user","content":"Weather?"},{"type":"function_call","call_id":"call_a","name":'
    .. '"get_weather","arguments":' .. QUOTED .. '},{"type":"function_call","call_id":"call_b","name":"get_time",'
    .. '"arguments":"{}"},{"type":"function_call_output","call_id":"call_b","output":"noon"},{"type":'
    .. '"function_call_output","call_id":"call_a","output":"sunny"},{"role":"user","content":"Go on"}',
    PARALLEL.openai_responses),
  anthropic = anthropic('{"role":"user","content":"Weather?"},{"role":"assistant","content":[{"type":"tool_use","id":'
    .. '"call_a","name":"get_weather","input":' .. M.INPUT .. '},{"type":"tool_use","id":"call_b","name":"get_time",'
    .. '"input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_b","content":"noon"},{"type":'
    .. '"tool_result","tool_use_id":"call_a","content":[{"type":"text","text":"sunny"}]},{"type":"text","text":'
    .. '"Go on"}]}',
    PARALLEL.anthropic),
  gemini = gemini('{"role":"user","parts":[{"text":"Weather?"}]},{"role":"model","parts":[{"functionCall":{"id":'
    .. '"call_a",'
    .. '"name":"get_weather","args":' .. M.INPUT .. '}},{"functionCall":{"id":"call_b","name":"get_time","args":{}}}]},'
    .. '{"role":"user","parts":[{"functionResponse":{"id":"call_b","name":"get_time","response":{"output":"noon"}}},'
    .. '{"functionResponse":{"id":"call_a","name":"get_weather","response":{"output":"sunny"}}},{"text":"Go on"}]}',
    PARALLEL.gemini),
}

M.tool_forbidden = with_tools(tools(WEATHER), {
  openai_chat = '"tool_choice":"none"', openai_responses = '"tool_choice":"none"',
  anthropic = '"tool_choice":{"type":"none"}', gemini = '"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}',
})

M.tool_single = with_tools(tools(WEATHER), {
  openai_chat = '"parallel_tool_calls":false', openai_responses = '"parallel_tool_calls":false',
  anthropic = '"tool_choice":{"type":"auto","disable_parallel_tool_use":true}',
})
M.tool_single.gemini = nil

M.tool_failed = {
  anthropic = anthropic('{"role":"user","content":"Weather?"},{"role":"assistant","content":[{"type":"tool_use","id":'
    .. '"call_a","name":"get_weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":'
    .. '"call_a","content":"no such city","is_error":true}]}', PARALLEL.anthropic),
  gemini = gemini('{"role":"user","parts":[{"text":"Weather?"}]},{"role":"model","parts":[{"functionCall":{"id":'
    .. '"call_a","name":"get_weather","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"id":"call_a","name":'
    .. '"get_weather","response":{"error":"no such city"}}}]}', PARALLEL.gemini),
}

-- A search that the service runs itself.
M.web_search = with_tools({
  openai_chat = '"web_search_options":{}', openai_responses = '"tools":[{"type":"web_search"}]',
  anthropic = '"tools":[{"type":"web_search_20250305","name":"web_search"}]', gemini = '"tools":[{"googleSearch":{}}]',
})

--- Chat's way of old, before there were tools.
M.functions = { openai_chat = chat('{"role":"user","content":"Weather?"}',
  '"functions":[{"name":"get_weather","description":"About get_weather.","parameters":' .. M.SCHEMA .. "}]") }

-- Media -----------------------------------------------------------------------------------------------------------

--- Base64 of a picture and of a document; no service looks at them here.
M.PNG, M.PDF, M.URL = "iVBORw0KGgo=", "JVBERi0xLjQK", "https://pictures.example/cat.png"

M.tool_image = {
  openai_responses = responses('{"role":"user","content":"Look"},{"type":"function_call","call_id":"call_a","name":'
    .. '"get_weather","arguments":"{}"},{"type":"function_call_output","call_id":"call_a","output":[{"type":'
    .. '"input_text",'
    .. '"text":"a map"},{"type":"input_image","image_url":"data:image/png;base64,' .. M.PNG .. '"}]}',
    PARALLEL.openai_responses),
  anthropic = anthropic('{"role":"user","content":"Look"},{"role":"assistant","content":[{"type":"tool_use","id":'
    .. '"call_a",'
    .. '"name":"get_weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_a",'
    .. '"content":[{"type":"text","text":"a map"},{"type":"image","source":{"type":"base64","media_type":"image/png",'
    .. '"data":"' .. M.PNG .. '"}}]}]}', PARALLEL.anthropic),
  gemini = gemini('{"role":"user","parts":[{"text":"Look"}]},{"role":"model","parts":[{"functionCall":{"id":"call_a",'
    .. '"name":"get_weather","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"id":"call_a","name":'
    .. '"get_weather",'
    .. '"response":{"output":"a map"},"parts":[{"inlineData":{"mimeType":"image/png","data":"' .. M.PNG .. '"}}]}}]}',
    PARALLEL.gemini),
}

M.image = {
  openai_chat = chat('{"role":"user","content":[{"type":"text","text":"Look"},{"type":"image_url","image_url":{"url":'
    .. '"data:image/png;base64,' .. M.PNG .. '"}}]}'),
  openai_responses = responses('{"role":"user","content":[{"type":"input_text","text":"Look"},{"type":"input_image",'
    .. '"detail":"auto","image_url":"data:image/png;base64,' .. M.PNG .. '"}]}'),
  anthropic = anthropic('{"role":"user","content":[{"type":"text","text":"Look"},{"type":"image","source":{"type":'
    .. '"base64",'
    .. '"media_type":"image/png","data":"' .. M.PNG .. '"}}]}'),
  gemini = gemini('{"role":"user","parts":[{"text":"Look"},{"inlineData":{"mimeType":"image/png","data":"' .. M.PNG
    .. '"}}]}'),
}

M.image_url = {
  openai_chat = chat('{"role":"user","content":[{"type":"text","text":"Look"},{"type":"image_url","image_url":{"url":"'
    .. M.URL .. '"}}]}'),
  openai_responses = responses('{"role":"user","content":[{"type":"input_text","text":"Look"},{"type":"input_image",'
    .. '"image_url":"' .. M.URL .. '"}]}'),
  anthropic = anthropic('{"role":"user","content":[{"type":"text","text":"Look"},{"type":"image","source":{"type":'
    .. '"url",'
    .. '"url":"' .. M.URL .. '"}}]}'),
}

M.pdf = {
  openai_chat = chat('{"role":"user","content":[{"type":"text","text":"Read"},{"type":"file","file":{"filename":'
    .. '"a.pdf",'
    .. '"file_data":"data:application/pdf;base64,' .. M.PDF .. '"}}]}'),
  openai_responses = responses('{"role":"user","content":[{"type":"input_text","text":"Read"},{"type":"input_file",'
    .. '"filename":"a.pdf","file_data":"data:application/pdf;base64,' .. M.PDF .. '"}]}'),
  anthropic = anthropic('{"role":"user","content":[{"type":"text","text":"Read"},{"type":"document","title":"a.pdf",'
    .. '"source":{"type":"base64","media_type":"application/pdf","data":"' .. M.PDF .. '"}}]}'),
  gemini = gemini('{"role":"user","parts":[{"text":"Read"},{"inlineData":{"mimeType":"application/pdf","data":'
    .. '"' .. M.PDF
    .. '"}}]}'),
}

--- A file that lies at one provider alone.
M.file_id = {
  openai_chat = chat('{"role":"user","content":[{"type":"text","text":"Read"},{"type":"file","file":{"file_id":'
    .. '"file-1"}}]}'),
  openai_responses = responses('{"role":"user","content":[{"type":"input_text","text":"Read"},{"type":"input_file",'
    .. '"file_id":"file-1"}]}'),
  anthropic = anthropic('{"role":"user","content":[{"type":"text","text":"Read"},{"type":"document","source":{"type":'
    .. '"file","file_id":"file_1"}}]}'),
  gemini = gemini('{"role":"user","parts":[{"text":"Read"},{"fileData":{"mimeType":"application/pdf","fileUri":'
    .. '"https://generativelanguage.googleapis.com/v1beta/files/abc"}}]}'),
}

-- Settings --------------------------------------------------------------------------------------------------------

-- "Hello there" with more members, in the dialects that have them.
local function settings(rest)
  local hello = '{"role":"user","content":"Hello there"}'
  return {
    openai_chat = rest.openai_chat and chat(hello, rest.openai_chat),
    openai_responses = rest.openai_responses and responses(hello, rest.openai_responses),
    anthropic = rest.anthropic and anthropic(hello, rest.anthropic),
    gemini = rest.gemini and gemini('{"role":"user","parts":[{"text":"Hello there"}]}', rest.gemini),
  }
end

M.length = settings {
  openai_chat = '"max_completion_tokens":77',
  openai_responses = '"max_output_tokens":77',
  gemini = '"generationConfig":{"maxOutputTokens":77}',
}
M.length.anthropic = M.text.anthropic:gsub("2000", "77")

M.stop = settings {
  openai_chat = '"stop":["END"]',
  anthropic = '"stop_sequences":["END"]',
  gemini = '"generationConfig":{"stopSequences":["END"]}',
}

--- The schema of a structured answer.
M.FORMAT = '{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}'
M.structured = settings {
  openai_chat = '"response_format":{"type":"json_schema","json_schema":{"name":"verdict","strict":true,"schema":'
    .. M.FORMAT .. "}}",
  openai_responses = '"text":{"format":{"type":"json_schema","name":"verdict","strict":true,"schema":'
    .. '' .. M.FORMAT .. "}}",
  anthropic = '"output_config":{"format":{"type":"json_schema","schema":' .. M.FORMAT .. "}}",
  gemini = '"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":' .. M.FORMAT .. "}",
}

M.json_object = settings {
  openai_chat = '"response_format":{"type":"json_object"}',
  openai_responses = '"text":{"format":{"type":"json_object"}}',
  gemini = '"generationConfig":{"responseMimeType":"application/json"}',
}

--- As it is written, and no other way.
M.TEMPERATURE = "0.70"
M.temperature = settings {
  openai_chat = '"temperature":' .. M.TEMPERATURE, openai_responses = '"temperature":' .. M.TEMPERATURE,
  anthropic = '"temperature":' .. M.TEMPERATURE, gemini = '"generationConfig":{"temperature":' .. M.TEMPERATURE .. "}",
}

M.several = settings { openai_chat = '"n":2', gemini = '"generationConfig":{"candidateCount":2}' }
M.logprobs = settings {
  openai_chat = '"logprobs":true,"top_logprobs":2', openai_responses = '"include":["message.output_text.logprobs"]',
  gemini = '"generationConfig":{"responseLogprobs":true,"logprobs":2}',
}
M.stored = settings { openai_responses = '"previous_response_id":"resp_1"' }

local THINK = {
  openai_chat = '"reasoning_effort":"high"',
  openai_responses = '"reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content"]',
  anthropic = '"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}',
  gemini = '"generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"HIGH"}}',
}
M.reasoning = with_tools(tools(WEATHER), THINK)

--- The next request after an answer with reasoning and one call: what the client saw, and the call's result.
---@param dialect string
---@param got table the answer as `read_answer` has it
---@return string
function M.after_call(dialect, got)
  local call, json = got.calls[1], require("cliproxy.json")
  local list = tools(WEATHER)
  local function quote(text)
    return json.encode(text)
  end
  if dialect == "openai_chat" then
    return chat(('{"role":"user","content":"Weather?"},{"role":"assistant","content":null,"tool_calls":[{"id":%s,'
      .. '"type":'
      .. '"function","function":{"name":"%s","arguments":%s}}]},{"role":"tool","tool_call_id":%s,"content":"sunny"}')
      :format(quote(call.id), call.name, quote(call.input), quote(call.id)),
      list.openai_chat .. "," .. THINK.openai_chat)
  elseif dialect == "openai_responses" then
    return responses('{"role":"user","content":"Weather?"},' .. table.concat(got.echo, ",")
      .. (',{"type":"function_call_output","call_id":%s,"output":"sunny"}'):format(quote(call.id)),
      list.openai_responses .. "," .. THINK.openai_responses)
  elseif dialect == "anthropic" then
    return anthropic('{"role":"user","content":"Weather?"},{"role":"assistant","content":['
      .. '' .. table.concat(got.echo, ",")
      .. ']},{"role":"user","content":[{"type":"tool_result","tool_use_id":' .. quote(call.id) .. ',"content":'
      .. '"sunny"}]}',
      list.anthropic .. "," .. THINK.anthropic)
  end
  return gemini('{"role":"user","parts":[{"text":"Weather?"}]},{"role":"model","parts":[' .. table.concat(got.echo, ",")
    .. ']},{"role":"user","parts":[{"functionResponse":{"name":"' .. call.name .. '",' .. (call.id and '"id":'
    .. quote(call.id) .. "," or "") .. '"response":{"output":"sunny"}}}]}', list.gemini .. "," .. THINK.gemini)
end

--- The request as it goes to a model, whole or streamed.
---@param dialect string
---@param text string
---@param model string
---@param stream boolean
---@param wants_usage boolean Chat: asks for the usage of a stream
---@return table request for `fakes.exchange`: path, query, body, headers
function M.send(dialect, text, model, stream, wants_usage)
  local sent = text:gsub("MODEL", model)
  if stream and dialect ~= "gemini" then
    local usage = dialect == "openai_chat" and wants_usage and ',"stream_options":{"include_usage":true}' or ""
    sent = sent:gsub("}$", ',"stream":true' .. usage .. "}")
  end
  local paths = {
    openai_chat = "/v1/chat/completions", openai_responses = "/v1/responses", anthropic = "/v1/messages",
    gemini = "/v1beta/models/" .. model .. (stream and ":streamGenerateContent" or ":generateContent"),
  }
  return { path = paths[dialect], body = sent, query = stream and dialect == "gemini" and "alt=sse" or "",
    headers = { host = "127.0.0.1:8317", ["anthropic-version"] = dialect == "anthropic" and "2023-06-01" or nil } }
end

return M
