// What the specs of all SDKs say and expect.
import assert from 'node:assert/strict';
import { UPSTREAMS } from './proxy.mjs';

export const SAYS = 'Good day';
export const ANSWER = `Hello from cliproxy! You said: ${SAYS}`;

/** An answer to this is longer than LIMIT tokens, the least that all services take as a limit. */
export const SAYS_MUCH = 'word '.repeat(40);
export const LIMIT = 16;
export const CUT = `Hello from cliproxy! You said: ${'word '.repeat(LIMIT - 5)}`;

// 1 x 1 pixel.
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const PNG_SHOWN = 'image/png (70 bytes)';

export const CITY = {
  type: 'object', properties: { city: { type: 'string', description: 'A city' } }, required: ['city'],
  additionalProperties: false,
};
export const TOOLS = [
  { name: 'get_weather', description: 'The weather of a city', schema: CITY },
  { name: 'get_time', description: 'The time in a city', schema: CITY },
];
/** What each tool answers. */
export const RESULTS = { get_weather: 'rain, 18 degrees', get_time: 'half past nine' };
export const ASKS_ONE = 'Please call get_weather';
export const ASKS_BOTH = 'Please call get_weather and get_time';

export const REPORT = {
  type: 'object',
  properties: {
    city: { type: 'string' }, days: { type: 'integer' }, unit: { type: 'string', enum: ['c', 'f'] },
    hours: { type: 'array', items: { type: 'object', properties: { rain: { type: 'boolean' } }, required: ['rain'],
      additionalProperties: false } },
  },
  required: ['city', 'days', 'unit', 'hours'], additionalProperties: false,
};
export const REPORTED = { city: 'Paris', days: 1, unit: 'c', hours: [{ rain: true }] };

/** Every upstream: its dialect and instance. */
export function eachUpstream(visit) {
  for (const [dialect, instance] of Object.entries(UPSTREAMS)) visit(dialect, instance);
}

/** The final text of a round trip tells what all those tools answered. */
export function tells(text, ...names) {
  assert.match(text, /^The tool answered: /);
  for (const name of names) assert.ok(text.includes(RESULTS[name]), `${name}'s result is missing: ${text}`);
}

export function sum(...numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

/** What a call rejects with. */
export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: 'it was expected to fail, and did not' });
}
