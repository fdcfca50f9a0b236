// What must not pass: each line would be an error if its type were not looked at.
import type * as sdk from "./bodies";

// @ts-expect-error a member that nobody knows
export const chatMember: sdk.Chat = { model: "m", messages: [{ role: "user", content: "x" }], bogus: 1 };
// @ts-expect-error a part of Chat's
export const part: sdk.Responses = { model: "m", input: [{ role: "user", content: [{ type: "text", text: "x" }] }] };
// @ts-expect-error a member that nobody knows
export const responsesMember: sdk.Responses = { model: "m", input: "x", bogus: 1 };
// @ts-expect-error a member that nobody knows
export const responsesCount: sdk.ResponsesCount = { model: "m", bogus: 1 };
// @ts-expect-error the newer version has no temperature
export const temperature: sdk.Anthropic_2026_10_21 = { model: "m", max_tokens: 1, temperature: 1, messages: [] };
// @ts-expect-error a text without text
export const text: sdk.Anthropic_2023_06_01 = { model: "m", max_tokens: 1, messages: [{ role: "user", content: [{ type: "text" }] }] };
// @ts-expect-error a count has no max_tokens
export const anthropicCount: sdk.AnthropicCount = { model: "m", max_tokens: 1, messages: [] };
// @ts-expect-error a part that nobody knows
export const geminiPart: sdk.Gemini = { contents: [{ parts: [{ bogus: "x" }] }] };
// @ts-expect-error a word that is none of the enumeration
export const level: sdk.Gemini = { contents: [], generationConfig: { thinkingConfig: { thinkingLevel: "HUGE" } } };
// @ts-expect-error a word that is none of the enumeration
export const schema: sdk.Gemini = { contents: [], tools: [{ functionDeclarations: [{ name: "f", parameters: { type: "objekt" } }] }] };
// @ts-expect-error a member that nobody knows
export const geminiCount: sdk.GeminiCount = { generateContentRequest: { model: "models/x", contents: [], bogus: 1 } };
