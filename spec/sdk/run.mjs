// The official SDKs as clients of the real binary: scripts/test.sh sdk, or, once that has installed them,
//
//     spec/sdk/node_modules/.bin/node spec/sdk/run.mjs [TEXT]     only tests whose name has TEXT in it
//
// Each of the four APIs that the SDKs speak is asked for each of the four dialects that a provider may speak.
// CPX_BINARY: the binary, build/cliproxy by default.
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import * as anthropic from './anthropic.mjs';
import * as errors from './errors.mjs';
import * as google from './google.mjs';
import * as lists from './lists.mjs';
import * as chat from './openai_chat.mjs';
import * as responses from './openai_responses.mjs';
import { KEY, start } from './proxy.mjs';
import { run } from './runner.mjs';

const proxy = await start();

// Without trying again: what the proxy answers first is what is looked at.
const makers = {
  openai: (apiKey) => new OpenAI({ apiKey, baseURL: `${proxy.url}/v1`, maxRetries: 0 }),
  anthropic: (apiKey) => new Anthropic({ apiKey, baseURL: proxy.url, maxRetries: 0 }),
  google: (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: proxy.url } }),
};
const make = (sdk, key) => makers[sdk](key);
const clients = { openai: make('openai', KEY), anthropic: make('anthropic', KEY), google: make('google', KEY) };

chat.register(clients.openai);
responses.register(clients.openai);
anthropic.register(clients.anthropic);
google.register(clients.google);
errors.register(clients, proxy, make);
lists.register(clients);

const result = await run(process.argv[2]);
try {
  await proxy.stop();
} catch (error) {
  result.failed++;
  console.log(`FAILED the proxy's end: ${error.message}`);
}
console.log(`${result.passed} passed, ${result.failed} failed`);
process.exit(result.failed > 0 ? 1 : 0);
