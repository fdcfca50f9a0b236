// @anthropic-ai/sdk: messages, over every upstream dialect.
import assert from 'node:assert/strict';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';
import { ANSWER, ASKS_BOTH, ASKS_ONE, CITY, CUT, LIMIT, PNG, PNG_SHOWN, REPORT, REPORTED, RESULTS, SAYS, SAYS_MUCH,
  TOOLS, eachUpstream, tells } from './common.mjs';
import { test } from './runner.mjs';

const user = (content) => [{ role: 'user', content }];
const tools = TOOLS.map(({ name, description, schema }) => ({ name, description, input_schema: schema }));
const format = jsonSchemaOutputFormat(REPORT);
const textOf = (message) =>
  message.content.filter((block) => block.type === 'text').map((block) => block.text).join('');
const callsOf = (message) => message.content.filter((block) => block.type === 'tool_use');

function answerHolds(message) {
  assert.equal(textOf(message), ANSWER);
  assert.equal(message.type, 'message');
  assert.equal(message.role, 'assistant');
  assert.equal(message.model, 'demo');
  assert.equal(message.stop_reason, 'end_turn');
  assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0, JSON.stringify(message.usage));
}

function callsHold(message, names) {
  const calls = callsOf(message);
  assert.equal(message.stop_reason, 'tool_use');
  assert.deepEqual(calls.map((call) => call.name), names);
  assert.equal(new Set(calls.map((call) => call.id)).size, names.length);
  for (const call of calls) {
    assert.match(call.id, /^[a-zA-Z0-9_-]+$/);
    assert.deepEqual(call.input, { city: 'Paris' });
  }
}

function answered(message) {
  return [
    { role: 'assistant', content: message.content },
    ...user(callsOf(message).map((call, i) => ({
      type: 'tool_result', tool_use_id: call.id,
      content: i === 0 ? RESULTS[call.name] : [{ type: 'text', text: RESULTS[call.name] }],
    }))),
  ];
}

export function register(client) {
  const { messages } = client;
  const runnable = (heard) => TOOLS.map(({ name, description }) => betaTool({
    name, description, inputSchema: CITY,
    run: ({ city }) => {
      heard.push([name, city]);
      return RESULTS[name];
    },
  }));

  eachUpstream((dialect, instance) => {
    const model = `${instance}/demo`;
    const asks = (more) => ({ model, max_tokens: 500, ...more });
    const cell = (name, run) => test(`anthropic messages over ${dialect}: ${name}`, run);
    const streamed = async (body) => {
      let text = '';
      const stream = messages.stream(asks(body));
      stream.on('text', (delta) => { text += delta; });
      return { message: await stream.finalMessage(), text };
    };

    cell('plain', async () =>
      answerHolds(await messages.create(asks({ system: 'Be brief.', messages: user(SAYS) }))));

    cell('streamed, by .stream()', async () => {
      const { message, text } = await streamed({ system: [{ type: 'text', text: 'Be brief.' }], messages: user(SAYS) });
      assert.equal(text, ANSWER);
      answerHolds(message);
    });

    cell('streamed, by events: from message_start to message_stop', async () => {
      const types = [];
      for await (const event of await messages.create(asks({ messages: user(SAYS), stream: true }))) {
        if (types.at(-1) !== event.type) types.push(event.type);
        if (event.type === 'message_start') assert.ok(event.message.usage.input_tokens > 0);
      }
      assert.deepEqual(types, ['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop',
        'message_delta', 'message_stop']);
    });

    cell('cut at its limit', async () => {
      const limited = { model, max_tokens: LIMIT, messages: user(SAYS_MUCH) };
      for (const message of [await messages.create(limited), await messages.stream(limited).finalMessage()]) {
        assert.equal(message.stop_reason, 'max_tokens');
        assert.equal(textOf(message), CUT);
      }
    });

    cell('a tool and back', async () => {
      const first = await messages.create(asks({ messages: user(ASKS_ONE), tools }));
      callsHold(first, ['get_weather']);
      const last = await messages.create(asks({ tools, messages: [...user(ASKS_ONE), ...answered(first)] }));
      tells(textOf(last), 'get_weather');
    });

    cell('parallel tools and back', async () => {
      const first = await messages.create(asks({ messages: user(ASKS_BOTH), tools }));
      callsHold(first, ['get_weather', 'get_time']);
      const last = await messages.create(asks({ tools, messages: [...user(ASKS_BOTH), ...answered(first)] }));
      tells(textOf(last), 'get_weather', 'get_time');
    });

    cell('parallel tools, streamed, and back', async () => {
      const { message } = await streamed({ messages: user(ASKS_BOTH), tools });
      callsHold(message, ['get_weather', 'get_time']);
      const { text } = await streamed({ tools, messages: [...user(ASKS_BOTH), ...answered(message)] });
      tells(text, 'get_weather', 'get_time');
    });

    for (const stream of [false, true]) {
      cell(`toolRunner${stream ? ', streamed' : ''}`, async () => {
        const heard = [];
        const message = await client.beta.messages.toolRunner(asks({ messages: user(ASKS_BOTH), tools: runnable(heard),
          stream })).runUntilDone();
        tells(textOf(message), 'get_weather', 'get_time');
        assert.deepEqual(heard.sort(), [['get_time', 'Paris'], ['get_weather', 'Paris']]);
      });
    }

    cell('a tool that must be called', async () => {
      const message = await messages.create(asks({ messages: user(SAYS), tools,
        tool_choice: { type: 'tool', name: 'get_time' } }));
      assert.deepEqual(callsOf(message).map((call) => call.name), ['get_time']);
    });

    cell('structured output, by .parse()', async () => {
      const message = await messages.parse(asks({ messages: user(SAYS), output_config: { format } }));
      assert.deepEqual(message.parsed_output, REPORTED);
    });

    cell('structured output, streamed', async () => {
      const { message, text } = await streamed({ messages: user(SAYS), output_config: { format } });
      assert.deepEqual(JSON.parse(text), REPORTED);
      assert.deepEqual(message.parsed_output, REPORTED);
    });

    cell('an image', async () => {
      const message = await messages.create(asks({ messages: user([{ type: 'text', text: SAYS },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } }]) }));
      assert.ok(textOf(message).includes(PNG_SHOWN), textOf(message));
    });

    cell('tokens are counted', async () => {
      const count = await messages.countTokens({ model, system: 'Be brief.', messages: user(SAYS), tools });
      assert.ok(count.input_tokens > 0);
    });
  });
}

export const surface = {
  name: 'anthropic messages',
  dialect: 'anthropic',
  ask: (client, model, more) => client.messages.create({ model, max_tokens: 500, messages: user(SAYS), ...more }),
  async *pieces(client, model, { says = SAYS, signal } = {}) {
    const stream = await client.messages.create({ model, max_tokens: 500, messages: user(says), stream: true },
      { signal });
    for await (const event of stream) yield event.type === 'content_block_delta' ? event.delta.text : '';
  },
  helper: (client, model) => client.messages.stream({ model, max_tokens: 500, messages: user(SAYS) }).finalMessage(),
  refused: [{ container: 'container_1' }, 'container'],
};
