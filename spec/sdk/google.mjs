// @google/genai: generateContent, over every upstream dialect.
import assert from 'node:assert/strict';
import { FunctionCallingConfigMode } from '@google/genai';
import { ANSWER, ASKS_BOTH, ASKS_ONE, CUT, LIMIT, PNG, PNG_SHOWN, REPORT, REPORTED, RESULTS, SAYS, SAYS_MUCH, TOOLS,
  eachUpstream, sum, tells } from './common.mjs';
import { test } from './runner.mjs';

const declared = { functionDeclarations: TOOLS.map(({ name, description, schema }) =>
  ({ name, description, parametersJsonSchema: schema })) };
const user = (...parts) => ({ role: 'user', parts });
const structured = { responseMimeType: 'application/json', responseJsonSchema: REPORT };

function usageHolds(usage) {
  assert.ok(usage.promptTokenCount > 0 && usage.candidatesTokenCount > 0, JSON.stringify(usage));
  assert.equal(usage.totalTokenCount, sum(usage.promptTokenCount, usage.candidatesTokenCount));
}

function answerHolds(response) {
  assert.equal(response.text, ANSWER);
  assert.equal(response.candidates[0].finishReason, 'STOP');
  assert.equal(response.candidates[0].content.role, 'model');
  assert.equal(response.modelVersion, 'demo');
  usageHolds(response.usageMetadata);
}

function callsHold(calls, names) {
  assert.deepEqual(calls.map((call) => call.name), names);
  for (const call of calls) assert.deepEqual(call.args, { city: 'Paris' });
}

const resultOf = (call) => ({ functionResponse: { ...(call.id ? { id: call.id } : {}), name: call.name,
  response: { output: RESULTS[call.name] } } });

export function register(client) {
  const { models } = client;

  // The SDK's own loop: it calls these, sends their results back and asks again.
  const callable = (heard) => ({
    tool: async () => declared,
    callTool: async (calls) => calls.map((call) => {
      heard.push([call.name, call.args.city]);
      return resultOf(call);
    }),
  });

  eachUpstream((dialect, instance) => {
    const model = `${instance}/demo`;
    const cell = (name, run) => test(`google generateContent over ${dialect}: ${name}`, run);
    const streamed = async (contents, config) => {
      const chunks = [];
      for await (const chunk of await models.generateContentStream({ model, contents, config })) chunks.push(chunk);
      const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
      return { chunks, parts, text: parts.map((part) => part.text ?? '').join(''),
        calls: parts.flatMap((part) => part.functionCall ?? []) };
    };

    cell('plain', async () => {
      answerHolds(await models.generateContent({ model, contents: SAYS, config: { systemInstruction: 'Be brief.' } }));
    });

    cell('streamed', async () => {
      const { chunks, text } = await streamed(SAYS, { systemInstruction: 'Be brief.' });
      assert.equal(text, ANSWER);
      assert.ok(chunks.length > 1);
      assert.equal(chunks.at(-1).candidates[0].finishReason, 'STOP');
      assert.ok(chunks.slice(0, -1).every((chunk) => !chunk.candidates[0].finishReason));
      usageHolds(chunks.at(-1).usageMetadata);
    });

    cell('a chat of several turns', async () => {
      const chat = client.chats.create({ model });
      assert.equal((await chat.sendMessage({ message: SAYS })).text, ANSWER);
      let text = '';
      for await (const chunk of await chat.sendMessageStream({ message: 'Once more' })) text += chunk.text ?? '';
      assert.match(text, /You said: Once more$/);
      assert.equal(chat.getHistory(true).length >= 4, true);
    });

    cell('cut at its limit', async () => {
      const config = { maxOutputTokens: LIMIT };
      const response = await models.generateContent({ model, contents: SAYS_MUCH, config });
      assert.equal(response.candidates[0].finishReason, 'MAX_TOKENS');
      assert.equal(response.text, CUT);
      const { chunks, text } = await streamed(SAYS_MUCH, config);
      assert.equal(chunks.at(-1).candidates[0].finishReason, 'MAX_TOKENS');
      assert.equal(text, CUT);
    });

    cell('a tool and back', async () => {
      const asked = user({ text: ASKS_ONE });
      const first = await models.generateContent({ model, contents: [asked], config: { tools: [declared] } });
      callsHold(first.functionCalls, ['get_weather']);
      const last = await models.generateContent({ model, config: { tools: [declared] },
        contents: [asked, first.candidates[0].content, user(...first.functionCalls.map(resultOf))] });
      tells(last.text, 'get_weather');
    });

    cell('parallel tools and back', async () => {
      const asked = user({ text: ASKS_BOTH });
      const first = await models.generateContent({ model, contents: [asked], config: { tools: [declared] } });
      callsHold(first.functionCalls, ['get_weather', 'get_time']);
      const last = await models.generateContent({ model, config: { tools: [declared] },
        contents: [asked, first.candidates[0].content, user(...first.functionCalls.map(resultOf))] });
      tells(last.text, 'get_weather', 'get_time');
    });

    cell('parallel tools, streamed, and back', async () => {
      const asked = user({ text: ASKS_BOTH });
      const { calls, parts } = await streamed([asked], { tools: [declared] });
      callsHold(calls, ['get_weather', 'get_time']);
      const { text } = await streamed([asked, { role: 'model', parts }, user(...calls.map(resultOf))],
        { tools: [declared] });
      tells(text, 'get_weather', 'get_time');
    });

    cell('automatic function calling', async () => {
      const heard = [];
      const config = { tools: [callable(heard)] };
      const response = await models.generateContent({ model, contents: ASKS_BOTH, config });
      tells(response.text, 'get_weather', 'get_time');
      assert.deepEqual(heard, [['get_weather', 'Paris'], ['get_time', 'Paris']]);
    });

    cell('a tool that must be called', async () => {
      const response = await models.generateContent({ model, contents: SAYS, config: { tools: [declared],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY,
          allowedFunctionNames: ['get_time'] } } } });
      callsHold(response.functionCalls, ['get_time']);
    });

    cell('structured output', async () => {
      const response = await models.generateContent({ model, contents: SAYS, config: structured });
      assert.deepEqual(JSON.parse(response.text), REPORTED);
    });

    cell('structured output, streamed', async () => {
      assert.deepEqual(JSON.parse((await streamed(SAYS, structured)).text), REPORTED);
    });

    cell('an image', async () => {
      const response = await models.generateContent({ model,
        contents: [user({ text: SAYS }, { inlineData: { mimeType: 'image/png', data: PNG } })] });
      assert.ok(response.text.includes(PNG_SHOWN), response.text);
    });

    cell('tokens are counted', async () => {
      const count = await models.countTokens({ model, contents: SAYS });
      assert.ok(count.totalTokens > 0);
    });
  });
}

export const surface = {
  name: 'google generateContent',
  dialect: 'gemini',
  ask: (client, model, config) => client.models.generateContent({ model, contents: SAYS, config }),
  async *pieces(client, model, { says = SAYS, signal } = {}) {
    const config = { abortSignal: signal };
    const stream = await client.models.generateContentStream({ model, contents: says, config });
    for await (const chunk of stream) yield chunk.text ?? '';
  },
  refused: [{ candidateCount: 2 }, 'candidateCount'],
};
