// The bodies of requests, as the SDKs declare what they send.
import type {
  Content, GenerationConfig, SafetySetting, Tool, ToolConfig,
} from "@google/genai";
import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";

// An enumeration of the SDK as the words of its values; everything else as it stands.
type Words<T> = unknown extends T ? T
  : T extends string ? `${T}`
  : T extends (infer E)[] ? Words<E>[]
  : T extends object ? { [K in keyof T]: Words<T[K]> }
  : T;

export type Chat = OpenAI.Chat.ChatCompletionCreateParams;
// Parts that an assistant said are typed as those of a stored answer, with its id and status. Of a conversation that
// another service led there are none, and the service does not ask for them.
type Said = Omit<OpenAI.Responses.ResponseOutputMessage, "id" | "status">;
type WithSaid<T> = T extends unknown
  ? Omit<T, "input"> & { input?: string | (OpenAI.Responses.ResponseInputItem | Said)[] | null }
  : never;
export type Responses = WithSaid<OpenAI.Responses.ResponseCreateParams>;
export type ResponsesCount = WithSaid<OpenAI.Responses.InputTokenCountParams>;
export type Anthropic_2026_10_21 = Anthropic.MessageCreateParams;
// The older version of the API has three members more; the SDK speaks the newer one alone.
export type Anthropic_2023_06_01 = Anthropic.MessageCreateParams & {
  temperature?: number;
  top_p?: number;
  top_k?: number;
};
export type AnthropicCount = Anthropic.MessageCountTokensParams;

// The SDK's parameters are no bodies: it puts the members of `config` into generationConfig and beside it. These are
// made of the same types.
export interface Gemini {
  contents: Words<Content>[];
  systemInstruction?: Words<Content>;
  tools?: Words<Tool>[];
  toolConfig?: Words<ToolConfig>;
  safetySettings?: Words<SafetySetting>[];
  generationConfig?: Words<GenerationConfig>;
}
export type GeminiCount = { contents: Words<Content>[] } | { generateContentRequest: Gemini & { model: string } };
