-- Every feature from every client's dialect to every service's: see docs/conformance.md, which this suite writes.
local cells = require("spec.conformance.cells") -- first: its driver takes the place of what sends
local page = require("spec.conformance.page")
local process = require("spec.support.process")
local refusals = require("spec.conformance.refusals")
local rows = require("spec.conformance.rows")

local PAGE = "docs/conformance.md"

describe("the services that are played here", function()
  for _, row in ipairs(rows.list) do
    if not row.odd_answer and not row.broken then
      it("speak their dialects: " .. row.name, function()
        for _, upstream in ipairs(cells.DIALECTS) do
          for _, mode in ipairs { "whole", "stream" } do
            local violations = cells.check_service(row, upstream, mode)
            assert(#violations == 0, upstream .. ", " .. mode .. ":\n" .. table.concat(violations, "\n"))
          end
        end
      end)
    end
  end
end)

for _, row in ipairs(rows.list) do
  describe(row.name, function()
    for _, client in ipairs(cells.DIALECTS) do
      if not (row.absent and row.absent[client]) then
        it("from " .. client, function()
          local failures = {}
          for _, upstream in ipairs(cells.DIALECTS) do
            for _, mode in ipairs { "whole", "stream" } do
              local _, why = cells.run(row, client, upstream, mode)
              failures[#failures + 1] = why
            end
          end
          assert(#failures == 0, "\n" .. table.concat(failures, "\n\n"))
        end)
      end
    end
  end)
end

describe("the table", function()
  it("has a row for each documented refusal", function()
    local names = {}
    for _, row in ipairs(rows.list) do
      names[row.name] = true
    end
    for _, entry in ipairs(refusals.list) do
      assert.is_true(names[entry.row], entry.row)
    end
  end)

  it("is what " .. PAGE .. " shows", function()
    io.write("\n", page.compact(), "\n")
    local document = page.document()
    if os.getenv("CPX_WRITE_CONFORMANCE") then
      process.write(PAGE, document)
    end
    assert.equal(document, process.read(PAGE), PAGE .. " is not what this suite computes; run it with "
      .. "CPX_WRITE_CONFORMANCE=1 and look at the difference")
  end)
end)
