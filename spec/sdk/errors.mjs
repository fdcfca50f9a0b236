// Failures as each SDK's own exceptions, and streams that their readers leave.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { ApiError } from '@google/genai';
import OpenAI from 'openai';
import { ANSWER, SAYS, SAYS_MUCH, eachUpstream, rejection } from './common.mjs';
import * as anthropic from './anthropic.mjs';
import * as google from './google.mjs';
import * as chat from './openai_chat.mjs';
import * as responses from './openai_responses.mjs';
import { test } from './runner.mjs';

// The classes by status. Google's SDK has one for all.
const GOOGLE = { wrongKey: ApiError, unknown: ApiError, refused: ApiError, limited: ApiError, overloaded: ApiError };
const classesOf = (sdk) => ({ wrongKey: sdk.AuthenticationError, unknown: sdk.NotFoundError,
  refused: sdk.BadRequestError, limited: sdk.RateLimitError, overloaded: sdk.InternalServerError });

const SURFACES = [
  { ...chat.surface, sdk: 'openai', classes: classesOf(OpenAI) },
  { ...responses.surface, sdk: 'openai', classes: classesOf(OpenAI) },
  { ...anthropic.surface, sdk: 'anthropic', classes: classesOf(Anthropic) },
  { ...google.surface, sdk: 'google', classes: GOOGLE },
];

// What the SDKs know of overload: Anthropic's own number, 503 elsewhere.
const overloadedStatus = (surface, dialect) => surface.dialect === dialect ? [529] :
  surface.dialect === 'anthropic' ? [529] : [503];

/** Reads a stream to its end; gives its text. */
async function drain(pieces) {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

function isError(error, type, statuses, text) {
  assert.ok(error instanceof type, `${error?.name} (${error?.constructor?.name}): ${error?.message}`);
  assert.ok(statuses.includes(error.status), `status ${error.status}: ${error.message}`);
  assert.match(error.message, text);
}

function failures(surface, clients, dialect, instance) {
  const client = clients[surface.sdk];
  const { classes } = surface;
  const cell = (name, run) => test(`${surface.name} over ${dialect}: ${name}`, run);

  cell('a model that is not there', async () => {
    isError(await rejection(surface.ask(client, `${instance}/demo-fast-and-furious`)), classes.unknown, [404],
      /demo-fast-and-furious/);
  });

  cell('a limit, when to come again', async () => {
    const error = await rejection(surface.ask(client, `${instance}/demo-status-429`));
    isError(error, classes.limited, [429], /429/);
    if (error.headers) assert.equal(error.headers.get('retry-after'), '1');
    isError(await rejection(drain(surface.pieces(client, `${instance}/demo-status-429`))), classes.limited, [429],
      /429/);
  });

  cell('overload', async () => {
    isError(await rejection(surface.ask(client, `${instance}/demo-status-529`)), classes.overloaded,
      overloadedStatus(surface, dialect), /529/);
  });

  cell('a field that the upstream cannot take', async () => {
    if (surface.dialect === dialect) return; // its own dialect passes unread
    const [field, name] = surface.refused;
    isError(await rejection(surface.ask(client, `${instance}/demo`, field)), classes.refused, [400],
      new RegExp(name, 'i'));
  });

  cell('an error in mid-stream is raised', async () => {
    const error = await rejection(drain(surface.pieces(client, `${instance}/demo-error-event`)));
    assert.match(error.message, /overloaded/);
    if (surface.helper) assert.match((await rejection(surface.helper(client, `${instance}/demo-error-event`))).message,
      /overloaded/);
  });

  cell('a stream that breaks off is raised', async () => {
    const error = await rejection(drain(surface.pieces(client, `${instance}/demo-cut-4`)));
    assert.ok(error instanceof Error);
    assert.match(error.message, /demo-cut broke off/);
  });
}

// Each reader asks for a pause of its own, so that the live feed tells which request is meant.
let pauses = 60;

function leaving(surface, clients, proxy, dialect, instance) {
  const pause = pauses++;
  const model = `demo-slow-${pause}`;
  test(`${surface.name} over ${dialect}: a reader that leaves ends the upstream's call`, async () => {
    const controller = new AbortController();
    const pieces = surface.pieces(clients[surface.sdk], `${instance}/${model}`,
      { says: SAYS_MUCH, signal: controller.signal });
    let text = '';
    // Some SDKs raise when their reader leaves, some end.
    await (async () => {
      for await (const piece of pieces) {
        text += piece;
        if (text !== '') controller.abort();
      }
    })().catch((error) => assert.ok(controller.signal.aborted, error.message));
    assert.ok(text !== '' && text.length < 30, `the stream was not left in the middle: ${text}`);
    const event = await proxy.feed.find((one) => one.provider === instance && one.model === model);
    assert.equal(event.status, 499);
    // It was left after five events at most; whole, it has more than 45.
    assert.ok(event.total_ms < 25 * pause, `the call went on for ${event.total_ms} ms`);
  });
}

function wrongKeys(surface, make) {
  test(`${surface.name}: a wrong key`, async () => {
    const error = await rejection(surface.ask(make(surface.sdk, 'not-the-key'), 'demo_chat/demo'));
    isError(error, surface.classes.wrongKey, [401], /api_keys/);
    assert.ok(!error.message.includes('not-the-key'));
  });
}

export function register(clients, proxy, make) {
  for (const surface of SURFACES) {
    wrongKeys(surface, make);
    eachUpstream((dialect, instance) => {
      failures(surface, clients, dialect, instance);
      leaving(surface, clients, proxy, dialect, instance);
    });
  }

  test('openai: the code and the field of an error', async () => {
    const unknown = await rejection(clients.openai.chat.completions.create({ model: 'none-such',
      messages: [{ role: 'user', content: SAYS }] }));
    isError(unknown, OpenAI.NotFoundError, [404], /no route/);
    assert.equal(unknown.code, 'model_not_found');
    const refused = await rejection(clients.openai.chat.completions.create({ model: 'demo_anthropic/demo', n: 2,
      messages: [{ role: 'user', content: SAYS }] }));
    assert.equal(refused.param, 'n');
  });

  test('openai: a hint that cannot be carried is named in a header', async () => {
    const { data, response } = await clients.openai.chat.completions.create({ model: 'demo_anthropic/demo', seed: 7,
      messages: [{ role: 'user', content: SAYS }] }).withResponse();
    assert.equal(data.choices[0].message.content, ANSWER);
    assert.match(response.headers.get('x-cliproxy-warnings'), /^seed;/);
    assert.match(response.headers.get('x-cliproxy-request-id'), /^req_/);
  });

  test('anthropic: the type and the id of an error', async () => {
    const error = await rejection(clients.anthropic.messages.create({ model: 'none-such', max_tokens: 5,
      messages: [{ role: 'user', content: SAYS }] }));
    isError(error, Anthropic.NotFoundError, [404], /no route/);
    assert.equal(error.type, 'not_found_error');
    assert.match(error.error.request_id, /^req_/);
  });

  test('google: the status of an error', async () => {
    const error = await rejection(clients.google.models.generateContent({ model: 'none-such', contents: SAYS }));
    isError(error, ApiError, [404], /no route/);
    assert.equal(JSON.parse(error.message).error.status, 'NOT_FOUND');
  });
}
