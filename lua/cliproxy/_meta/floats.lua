---@meta cliproxy.floats
--- The vectors of embeddings between their two forms. Written in C: src/lua/api_floats.c.
local floats = {}

--- Base64 of little-endian 32-bit floats; each is the float nearest to its number.
---@param numbers cliproxy.JsonText a list of numbers
---@return string? base64 with padding
---@return string? message what is wrong with it
---@nodiscard
function floats.pack(numbers) end

--- A JSON list of the shortest numbers that read back as the same floats.
---@param base64 string
---@return cliproxy.JsonText? numbers
---@return string? message what is wrong with it: no base64, not four bytes each, NaN or infinity
---@nodiscard
function floats.unpack(base64) end

return floats
