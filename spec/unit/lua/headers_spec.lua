local headers = require("cliproxy.headers")

local function sample(name)
  return (name:gsub("%*$", "requests-limit"))
end

local function copy_up(from, into)
  for name, value in pairs(from) do
    into[name] = headers.up(name) and value or nil
  end
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

describe("headers", function()
  for _, row in ipairs(headers.to_upstream) do
    it("pass to the provider: " .. row.name, function()
      local out = {}
      copy_up({ [sample(row.name)] = "v" }, out)
      assert.same({ [sample(row.name)] = "v" }, out)
    end)
  end

  for _, name in ipairs(headers.never) do
    it("never pass to the provider: " .. name, function()
      local out = {}
      copy_up({ [sample(name)] = "v" }, out)
      assert.same({}, out)
    end)
  end

  for _, row in ipairs(headers.to_client) do
    it("pass to the client: " .. row.name, function()
      local out = {}
      headers.copy_down({ [sample(row.name)] = "v" }, out)
      assert.same({ [sample(row.name)] = "v" }, out)
    end)
  end

  it("do not pass to the client otherwise", function()
    local out = {}
    headers.copy_down({ ["set-cookie"] = "a", server = "b", ["openai-organization"] = "c", via = "d", ["cf-ray"] = "e",
      ["content-length"] = "3", ["x-request-identity"] = "f" }, out)
    assert.same({}, out)
  end)

  it("decide names that clients invent, without end", function()
    local out = {}
    for i = 1, 3000 do
      copy_up({ ["x-b3-" .. i] = "v", ["x-evil-" .. i] = "v" }, out)
    end
    local count = 0
    for name in pairs(out) do
      assert.matches("^x%-b3%-", name)
      count = count + 1
    end
    assert.equal(3000, count)
  end)

  it("are documented in docs/api.md, row by row", function()
    local doc = read("docs/api.md")
    local up = doc:match("## Headers to the provider(.-)\n## ")
    local down = doc:match("## Headers to the client(.-)\ncliproxy's own")
    for text, rows in pairs { [up] = headers.to_upstream, [down] = headers.to_client } do
      local documented = {}
      for name in text:gmatch("\n| `([^`]+)`") do
        documented[#documented + 1] = name
      end
      local named = {}
      for i, row in ipairs(rows) do
        named[i] = row.name
      end
      assert.same(named, documented)
    end
    for _, name in ipairs(headers.never) do
      assert.truthy(up:find("`" .. name .. "`", 1, true), name .. " is not in docs/api.md")
    end
  end)
end)
