local dialects = require("cliproxy.dialects")
local late = require("cliproxy.dialects.late")

describe("parts of a dialect", function()
  it("are loaded when they are asked for, once, and all by load", function()
    local loaded = {}
    local function source(name)
      return function()
        loaded[#loaded + 1] = name
        return name .. "!"
      end
    end
    local dialect = late.parts({ here = 1 }, { a = source("a"), b = source("b") })
    assert.same({ 1, nil }, { dialect.here, dialect.elsewhere })
    assert.same({}, loaded)
    assert.same({ "a!", "a!" }, { dialect.a, dialect.a })
    assert.same({ "a" }, loaded)
    late.load(dialect)
    late.load(dialect)
    assert.same({ "a", "b" }, loaded)
    assert.equal("b!", rawget(dialect, "b"))
  end)

  it("make every codec whole", function()
    for _, name in ipairs(dialects.names) do
      dialects.load(name)
      local dialect = dialects.of(name)
      for _, part in ipairs { "decode_request", "encode_request", "encode_pieces", "decode_response", "encode_response",
        "stream_decoder", "stream_encoder" } do
        assert.equal("function", type(rawget(dialect, part)), name .. "." .. part)
      end
      assert.is_table(dialect.ignored)
    end
  end)
end)
