// Lists of models in three shapes, and embeddings.
import assert from 'node:assert/strict';
import { ApiError } from '@google/genai';
import OpenAI from 'openai';
import { UPSTREAMS } from './proxy.mjs';
import { rejection } from './common.mjs';
import { test } from './runner.mjs';

const NAMES = Object.values(UPSTREAMS);

async function collect(list) {
  const out = [];
  for await (const one of list) out.push(one);
  return out;
}

function models({ openai, anthropic, google }) {
  test('openai models.list and retrieve', async () => {
    const all = await collect(openai.models.list());
    for (const name of NAMES) assert.ok(all.some((model) => model.id === name && model.object === 'model'), name);
    assert.equal((await openai.models.retrieve('demo_gemini')).owned_by, 'demo_gemini');
    assert.ok(await rejection(openai.models.retrieve('none-such')) instanceof OpenAI.NotFoundError);
  });

  test('anthropic models.list and retrieve', async () => {
    const all = await collect(anthropic.models.list());
    for (const name of NAMES) assert.ok(all.some((model) => model.id === name && model.type === 'model'), name);
    assert.ok(!Number.isNaN(Date.parse((await anthropic.models.retrieve('demo_chat')).created_at)));
  });

  test('google models.list and get', async () => {
    const all = await collect(await google.models.list());
    for (const name of NAMES) assert.ok(all.some((model) => model.name === `models/${name}`), name);
    assert.ok((await google.models.get({ model: 'demo_anthropic' })).supportedActions.includes('generateContent'));
  });
}

function embeddings({ openai, google }) {
  for (const instance of ['demo_chat', 'demo_gemini']) {
    const model = `${instance}/demo`;

    test(`openai embeddings over ${instance}: base64 by default, and floats`, async () => {
      const input = ['one', 'two'];
      const coded = await openai.embeddings.create({ model, input });
      const plain = await openai.embeddings.create({ model, input, encoding_format: 'float' });
      assert.deepEqual(coded.data.map((one) => one.index), [0, 1]);
      assert.equal(coded.data[0].embedding.length, 64);
      assert.deepEqual(coded.data.map((one) => Array.from(one.embedding)), plain.data.map((one) => one.embedding));
      assert.notDeepEqual(plain.data[0].embedding, plain.data[1].embedding);
    });

    test(`openai embeddings over ${instance}: dimensions`, async () => {
      const answer = await openai.embeddings.create({ model, input: 'one', dimensions: 12 });
      assert.equal(answer.data[0].embedding.length, 12);
    });

    test(`google embedContent over ${instance}`, async () => {
      const one = await google.models.embedContent({ model, contents: 'one', config: { outputDimensionality: 12 } });
      assert.deepEqual(one.embeddings.map((each) => each.values.length), [12]);
      const two = await google.models.embedContent({ model, contents: ['one', 'two'] });
      assert.deepEqual(two.embeddings.map((each) => each.values.length), [64, 64]);
      assert.notDeepEqual(two.embeddings[0].values, two.embeddings[1].values);
    });
  }

  test('embeddings of a provider that has none', async () => {
    const error = await rejection(openai.embeddings.create({ model: 'demo_anthropic/demo', input: 'one' }));
    assert.ok(error instanceof OpenAI.NotFoundError, error.message);
    const other = await rejection(google.models.embedContent({ model: 'demo_anthropic/demo', contents: 'one' }));
    assert.ok(other instanceof ApiError, other.message);
    assert.equal(other.status, 404);
  });
}

export function register(clients) {
  models(clients);
  embeddings(clients);
}
