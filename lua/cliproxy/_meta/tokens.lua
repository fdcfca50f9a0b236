---@meta cliproxy.tokens
--- What a text is made of, as tokenizers see it. Written in C: src/lua/api_tokens.c, where the counts are described.
local tokens = {}

--- How many counts there are.
---@type integer
tokens.COUNTS = nil

--- Adds the counts of a text to those of a list. Of texts beyond 8 KB the first of every four KB is read and taken
--- four times: 400 KB take a quarter of a millisecond.
---@param text string bytes, or JSON text: a literal's quotes are left out, and escapes count as what they stand for
---@param counts number[] COUNTS numbers: words, letters of words beyond the sixth, beyond the twelfth, capitals in
--- runs, digits, groups of three digits, letters next to digits, punctuation, runs of it, wide spaces, line breaks,
--- Latin letters with accents, other alphabets, scripts of India and others, symbols, CJK, Hangul, characters beyond
--- U+FFFF
function tokens.count(text, counts) end

return tokens
