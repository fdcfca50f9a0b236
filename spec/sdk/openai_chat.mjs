// openai: chat.completions, over every upstream dialect.
import assert from 'node:assert/strict';
import { makeParseableResponseFormat } from 'openai/lib/parser';
import { ANSWER, ASKS_BOTH, ASKS_ONE, CUT, LIMIT, PNG, PNG_SHOWN, REPORT, REPORTED, RESULTS, SAYS, SAYS_MUCH, TOOLS,
  eachUpstream, sum, tells } from './common.mjs';
import { test } from './runner.mjs';

const messages = (text) => [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: text }];
const tools = TOOLS.map(({ name, description, schema }) =>
  ({ type: 'function', function: { name, description, parameters: schema } }));
const format = makeParseableResponseFormat(
  { type: 'json_schema', json_schema: { name: 'report', schema: REPORT, strict: true } }, JSON.parse);

function usageHolds(usage) {
  assert.ok(usage.prompt_tokens > 0 && usage.completion_tokens > 0, JSON.stringify(usage));
  assert.equal(usage.total_tokens, sum(usage.prompt_tokens, usage.completion_tokens));
}

function answerHolds(completion) {
  const [choice] = completion.choices;
  assert.equal(choice.message.role, 'assistant');
  assert.equal(choice.message.content, ANSWER);
  assert.equal(choice.finish_reason, 'stop');
  assert.equal(completion.object, 'chat.completion');
  assert.equal(completion.model, 'demo');
  usageHolds(completion.usage);
}

// The turn with the calls and the turns with their results.
function answered(message) {
  return [message, ...message.tool_calls.map((call) =>
    ({ role: 'tool', tool_call_id: call.id, content: RESULTS[call.function.name] }))];
}

function callsHold(completion, names) {
  const [{ message, finish_reason: reason }] = completion.choices;
  assert.equal(reason, 'tool_calls');
  assert.equal(message.content, null);
  assert.deepEqual(message.tool_calls.map((call) => call.function.name), names);
  assert.equal(new Set(message.tool_calls.map((call) => call.id)).size, names.length);
  for (const call of message.tool_calls) {
    assert.equal(call.type, 'function');
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });
  }
}

export function register(client) {
  const chat = client.chat.completions;

  // A loop of the SDK's own: it calls these functions, sends their results back and asks again.
  const runnable = (heard) => TOOLS.map(({ name, description, schema }) => ({
    type: 'function',
    function: {
      name, description, parameters: schema, parse: JSON.parse,
      function: (args) => {
        heard.push([name, args.city]);
        return RESULTS[name];
      },
    },
  }));

  eachUpstream((dialect, instance) => {
    const model = `${instance}/demo`;
    const cell = (name, run) => test(`openai chat.completions over ${dialect}: ${name}`, run);
    const streamed = async (body) => {
      let text = '';
      const stream = chat.stream({ model, stream_options: { include_usage: true }, ...body });
      stream.on('content', (delta) => { text += delta; });
      const completion = await stream.finalChatCompletion();
      return { text, completion };
    };

    cell('plain', async () => answerHolds(await chat.create({ model, messages: messages(SAYS) })));

    cell('streamed, by .stream()', async () => {
      const { text, completion } = await streamed({ messages: messages(SAYS) });
      assert.equal(text, ANSWER);
      answerHolds(completion);
    });

    cell('streamed, by events: usage only when asked for', async () => {
      const chunks = [];
      const stream = await chat.create({ model, messages: messages(SAYS), stream: true });
      for await (const chunk of stream) chunks.push(chunk);
      assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), ANSWER);
      assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
      assert.ok(chunks.every((chunk) => chunk.usage == null));
      assert.equal(chunks[0].choices[0].delta.role, 'assistant');
      assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
    });

    cell('cut at its limit', async () => {
      const limited = { messages: messages(SAYS_MUCH), max_completion_tokens: LIMIT };
      const completion = await chat.create({ model, ...limited });
      assert.equal(completion.choices[0].finish_reason, 'length');
      assert.equal(completion.choices[0].message.content, CUT);
      const { completion: collected } = await streamed(limited);
      assert.equal(collected.choices[0].finish_reason, 'length');
      assert.equal(collected.choices[0].message.content, CUT);
    });

    cell('a tool and back', async () => {
      const asked = messages(ASKS_ONE);
      const first = await chat.create({ model, messages: asked, tools });
      callsHold(first, ['get_weather']);
      const last = await chat.create({ model, tools, messages: [...asked, ...answered(first.choices[0].message)] });
      tells(last.choices[0].message.content, 'get_weather');
    });

    cell('parallel tools and back', async () => {
      const asked = messages(ASKS_BOTH);
      const first = await chat.create({ model, messages: asked, tools });
      callsHold(first, ['get_weather', 'get_time']);
      const last = await chat.create({ model, tools, messages: [...asked, ...answered(first.choices[0].message)] });
      tells(last.choices[0].message.content, 'get_weather', 'get_time');
    });

    cell('parallel tools, streamed, and back', async () => {
      const asked = messages(ASKS_BOTH);
      const { completion } = await streamed({ messages: asked, tools });
      callsHold(completion, ['get_weather', 'get_time']);
      usageHolds(completion.usage);
      const { text } = await streamed({ tools, messages: [...asked, ...answered(completion.choices[0].message)] });
      tells(text, 'get_weather', 'get_time');
    });

    for (const stream of [false, true]) {
      cell(`runTools${stream ? ', streamed' : ''}`, async () => {
        const heard = [];
        const runner = chat.runTools({ model, messages: messages(ASKS_BOTH), tools: runnable(heard), stream });
        tells(await runner.finalContent(), 'get_weather', 'get_time');
        assert.deepEqual(heard, [['get_weather', 'Paris'], ['get_time', 'Paris']]);
      });
    }

    cell('a tool that must be called', async () => {
      const completion = await chat.create({ model, messages: messages(SAYS), tools,
        tool_choice: { type: 'function', function: { name: 'get_time' } } });
      assert.deepEqual(completion.choices[0].message.tool_calls.map((call) => call.function.name), ['get_time']);
    });

    cell('structured output, by .parse()', async () => {
      const completion = await chat.parse({ model, messages: messages(SAYS), response_format: format });
      assert.deepEqual(completion.choices[0].message.parsed, REPORTED);
    });

    cell('structured output, streamed', async () => {
      const { text, completion } = await streamed({ messages: messages(SAYS), response_format: format });
      assert.deepEqual(JSON.parse(text), REPORTED);
      assert.deepEqual(completion.choices[0].message.parsed, REPORTED);
    });

    cell('an image', async () => {
      const completion = await chat.create({ model, messages: [{ role: 'user', content: [
        { type: 'text', text: SAYS }, { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }] }] });
      assert.ok(completion.choices[0].message.content.includes(PNG_SHOWN), completion.choices[0].message.content);
    });

    cell('legacy completions', async () => {
      const completion = await client.completions.create({ model, prompt: SAYS });
      assert.equal(completion.object, 'text_completion');
      assert.equal(completion.choices[0].text, ANSWER);
      assert.equal(completion.choices[0].finish_reason, 'stop');
      let text = '';
      for await (const chunk of await client.completions.create({ model, prompt: SAYS, stream: true })) {
        text += chunk.choices[0]?.text ?? '';
      }
      assert.equal(text, ANSWER);
    });
  });
}

/** What errors.mjs needs of this surface. */
export const surface = {
  name: 'openai chat.completions',
  dialect: 'openai_chat',
  ask: (client, model, more) => client.chat.completions.create({ model, messages: messages(SAYS), ...more }),
  async *pieces(client, model, { says = SAYS, signal } = {}) {
    const stream = await client.chat.completions.create({ model, messages: messages(says), stream: true }, { signal });
    for await (const chunk of stream) yield chunk.choices[0]?.delta.content ?? '';
  },
  helper: (client, model) =>
    client.chat.completions.stream({ model, messages: messages(SAYS) }).finalChatCompletion(),
  refused: [{ n: 2 }, 'n'],
};
