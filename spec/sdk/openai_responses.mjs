// openai: responses, over every upstream dialect.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { makeParseableTextFormat } from 'openai/lib/parser';
import { ANSWER, ASKS_BOTH, ASKS_ONE, CUT, LIMIT, PNG, PNG_SHOWN, REPORT, REPORTED, RESULTS, SAYS, SAYS_MUCH, TOOLS,
  eachUpstream, rejection, sum, tells } from './common.mjs';
import { test } from './runner.mjs';

const user = (text) => [{ role: 'user', content: text }];
const tools = TOOLS.map(({ name, description, schema }) =>
  ({ type: 'function', name, description, parameters: schema, strict: true }));
const format = makeParseableTextFormat({ type: 'json_schema', name: 'report', schema: REPORT, strict: true },
  JSON.parse);

function answerHolds(response) {
  assert.equal(response.output_text, ANSWER);
  assert.equal(response.status, 'completed');
  assert.equal(response.object, 'response');
  assert.equal(response.model, 'demo');
  assert.equal(response.error, null);
  const { usage } = response;
  assert.ok(usage.input_tokens > 0 && usage.output_tokens > 0, JSON.stringify(usage));
  assert.equal(usage.total_tokens, sum(usage.input_tokens, usage.output_tokens));
}

const callsOf = (response) => response.output.filter((item) => item.type === 'function_call');

function callsHold(response, names) {
  const calls = callsOf(response);
  assert.equal(response.status, 'completed');
  assert.deepEqual(calls.map((call) => call.name), names);
  assert.equal(new Set(calls.map((call) => call.call_id)).size, names.length);
  for (const call of calls) assert.deepEqual(JSON.parse(call.arguments), { city: 'Paris' });
}

// The whole output goes back, as the guides say, and the results behind it. What the SDK's helpers added stays here.
function answered(response) {
  return [
    ...response.output.map(({ parsed_arguments: _, ...item }) => item),
    ...callsOf(response).map((call) =>
      ({ type: 'function_call_output', call_id: call.call_id, output: RESULTS[call.name] })),
  ];
}

export function register(client) {
  const { responses } = client;

  eachUpstream((dialect, instance) => {
    const model = `${instance}/demo`;
    const cell = (name, run) => test(`openai responses over ${dialect}: ${name}`, run);
    const streamed = async (body) => {
      let text = '';
      const numbers = [];
      const stream = responses.stream({ model, ...body });
      stream.on('response.output_text.delta', ({ delta }) => { text += delta; });
      stream.on('event', (event) => numbers.push(event.sequence_number));
      const response = await stream.finalResponse();
      assert.deepEqual(numbers, numbers.map((_, i) => i));
      return { text, response };
    };

    cell('plain', async () => {
      answerHolds(await responses.create({ model, instructions: 'Be brief.', input: SAYS }));
      const input = [{ role: 'developer', content: 'Be brief.' }, ...user(SAYS)];
      answerHolds(await responses.create({ model, input }));
    });

    cell('streamed, by .stream()', async () => {
      const { text, response } = await streamed({ instructions: 'Be brief.', input: user(SAYS) });
      assert.equal(text, ANSWER);
      answerHolds(response);
    });

    cell('streamed, by events: from created to completed', async () => {
      const types = [];
      for await (const event of await responses.create({ model, input: SAYS, stream: true })) types.push(event.type);
      assert.deepEqual(types.slice(0, 3), ['response.created', 'response.in_progress', 'response.output_item.added']);
      assert.equal(types.at(-1), 'response.completed');
      assert.equal(types.filter((type) => type === 'response.output_text.done').length, 1);
    });

    cell('cut at its limit', async () => {
      const limited = { input: user(SAYS_MUCH), max_output_tokens: LIMIT };
      const response = await responses.create({ model, ...limited });
      assert.equal(response.status, 'incomplete');
      assert.equal(response.incomplete_details.reason, 'max_output_tokens');
      assert.equal(response.output_text, CUT);
      const { response: collected } = await streamed(limited);
      assert.equal(collected.status, 'incomplete');
      assert.equal(collected.output_text, CUT);
    });

    cell('a tool and back', async () => {
      const first = await responses.create({ model, input: user(ASKS_ONE), tools });
      callsHold(first, ['get_weather']);
      const last = await responses.create({ model, tools, input: [...user(ASKS_ONE), ...answered(first)] });
      tells(last.output_text, 'get_weather');
    });

    cell('parallel tools and back', async () => {
      const first = await responses.create({ model, input: user(ASKS_BOTH), tools });
      callsHold(first, ['get_weather', 'get_time']);
      const last = await responses.create({ model, tools, input: [...user(ASKS_BOTH), ...answered(first)] });
      tells(last.output_text, 'get_weather', 'get_time');
    });

    cell('parallel tools, streamed, and back', async () => {
      const { response } = await streamed({ input: user(ASKS_BOTH), tools });
      callsHold(response, ['get_weather', 'get_time']);
      const { text } = await streamed({ tools, input: [...user(ASKS_BOTH), ...answered(response)] });
      tells(text, 'get_weather', 'get_time');
    });

    cell('a tool that must be called', async () => {
      const response = await responses.create({ model, input: SAYS, tools,
        tool_choice: { type: 'function', name: 'get_time' } });
      assert.deepEqual(callsOf(response).map((call) => call.name), ['get_time']);
    });

    cell('structured output, by .parse()', async () => {
      const response = await responses.parse({ model, input: SAYS, text: { format } });
      assert.deepEqual(response.output_parsed, REPORTED);
    });

    cell('structured output, streamed', async () => {
      const { text, response } = await streamed({ input: SAYS, text: { format } });
      assert.deepEqual(JSON.parse(text), REPORTED);
      assert.deepEqual(response.output_parsed, REPORTED);
    });

    cell('an image', async () => {
      const response = await responses.create({ model, input: [{ role: 'user', content: [
        { type: 'input_text', text: SAYS },
        { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${PNG}` }] }] });
      assert.ok(response.output_text.includes(PNG_SHOWN), response.output_text);
    });

    cell('tools in a namespace and back', async () => {
      const grouped = [{ type: 'namespace', name: 'paris', description: 'About Paris', tools }];
      for (const stream of [false, true]) {
        const body = { model, input: user(ASKS_BOTH), tools: grouped };
        const first = stream ? await responses.stream(body).finalResponse() : await responses.create(body);
        callsHold(first, ['get_weather', 'get_time']);
        assert.deepEqual(callsOf(first).map((call) => call.namespace), ['paris', 'paris']);
        const last = await responses.create({ model, tools: grouped, input: [...user(ASKS_BOTH), ...answered(first)] });
        tells(last.output_text, 'get_weather', 'get_time');
      }
    });

    cell('a tool that takes free text, and back', async () => {
      const shell = [{ type: 'custom', name: 'shell', description: 'Runs a command' }];
      const asked = user('Please use the shell tool');
      if (!dialect.startsWith('openai')) {
        const error = await rejection(responses.create({ model, input: asked, tools: shell }));
        assert.ok(error instanceof OpenAI.BadRequestError, error.message);
        assert.equal(error.param, 'tools[0]');
        return;
      }
      for (const stream of [false, true]) {
        const body = { model, input: asked, tools: shell };
        const first = stream ? await responses.stream(body).finalResponse() : await responses.create(body);
        const [call] = first.output;
        assert.equal(call.type, 'custom_tool_call');
        assert.equal(call.name, 'shell');
        assert.ok(call.input !== '');
        const last = await responses.create({ model, tools: shell, input: [...asked, ...first.output,
          { type: 'custom_tool_call_output', call_id: call.call_id, output: 'done' }] });
        assert.match(last.output_text, /^The tool answered: .*done/);
      }
    });

    cell('tokens are counted', async () => {
      const count = await responses.inputTokens.count({ model, input: SAYS });
      assert.equal(count.object, 'response.input_tokens');
      assert.ok(count.input_tokens > 0);
    });
  });
}

export const surface = {
  name: 'openai responses',
  dialect: 'openai_responses',
  ask: (client, model, more) => client.responses.create({ model, input: SAYS, ...more }),
  async *pieces(client, model, { says = SAYS, signal } = {}) {
    const stream = await client.responses.create({ model, input: says, stream: true }, { signal });
    for await (const event of stream) yield event.type === 'response.output_text.delta' ? event.delta : '';
  },
  helper: (client, model) => client.responses.stream({ model, input: SAYS }).finalResponse(),
  refused: [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
};
