// Coding agents as clients of the real binary: a tool's round trip of each over each dialect that a provider may speak.
// scripts/test.sh agents installs them and runs this where there is no network but the loopback interface; or, then,
//
//     spec/agents/node_modules/.bin/node spec/agents/run.mjs [TEXT]     only runs whose name has TEXT in it
//
// CPX_BINARY: the binary, build/cliproxy by default; a sanitized one checks each stream that it translates.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { start, UPSTREAMS } from '../sdk/proxy.mjs';
import { AGENTS, OWN_NAMES, RESULT } from './agents.mjs';

const SECONDS = 60;
const HERE = dirname(fileURLToPath(import.meta.url));
const BINARY = resolve(process.env.CPX_BINARY ?? join(HERE, '../../build/cliproxy'));

const proxy = await start({
  routes: OWN_NAMES.map(({ upstream, model }) => `{ model = "${model}", to = "${UPSTREAMS[upstream]}/demo" }`),
});
const homes = mkdtempSync(join(tmpdir(), 'cliproxy-agents-'));
process.once('exit', () => rmSync(homes, { recursive: true, force: true }));

// Nothing of the user's own set-up: no key, no account, no settings.
function environment(home) {
  return {
    HOME: home, LANG: 'C.UTF-8', TERM: 'dumb',
    PATH: [join(HERE, 'node_modules/.bin'), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter),
    CLIPROXY_CONFIG: proxy.config, CLIPROXY_URL: proxy.url,
  };
}

/** Runs `cliproxy` with these words, as a group of processes that ends with it: { code, output, errors }. */
function cliproxy(words, home) {
  const child = spawn(BINARY, words, {
    cwd: join(home, 'work'), env: environment(home), stdio: ['ignore', 'pipe', 'pipe'], detached: true,
  });
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The whole group is gone already.
    }
  };
  process.once('exit', end);
  const texts = { output: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => { texts.output += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { texts.errors += text; });
  const late = setTimeout(end, SECONDS * 1000);
  return new Promise((settle, reject) => {
    child.once('error', reject);
    child.once('exit', end);
    child.once('close', (code, signal) => settle({ code: code ?? `${signal}, after at most ${SECONDS} s`, ...texts }));
  }).finally(() => {
    clearTimeout(late);
    process.removeListener('exit', end);
  });
}

/** Status of each request in these lines of the proxy's log. */
function statuses(lines) {
  const found = lines.matchAll(/ req_\S+ (\w+ \S+) .*?\b([1-5]\d\d) [\d.]+ms/g);
  return [...found].map(([, what, status]) => ({ what, status }));
}

function check(agent, ended, lines) {
  if (ended.code !== 0) return `it ended with ${ended.code}`;
  let answer;
  try {
    answer = agent.answer(ended.output);
  } catch (error) {
    return `its output is not what was asked for: ${error.message}`;
  }
  if (!String(answer).includes(RESULT)) return `its answer does not tell what the tool printed: ${answer}`;
  const requests = statuses(lines);
  const failed = requests.find(({ status }) => status !== '200');
  if (failed) return `${failed.what} was answered ${failed.status}`;
  const asked = requests.filter(({ what }) => what.startsWith('POST ')).length;
  return asked < 2 ? `it made ${asked} requests, not two or more` : null;
}

async function roundTrip({ agent, model, choice = [] }, home) {
  mkdirSync(join(home, 'work'), { recursive: true });
  if (agent.settings) {
    const file = join(home, agent.settings);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, (await cliproxy(['env', agent.name, '--file'], home)).output);
  }
  const before = proxy.log().length;
  const named = model ? ['--model', model] : [];
  const ended = await cliproxy(['run', ...named, '--', agent.name, ...agent.command, ...choice], home);
  const lines = proxy.log().slice(before);
  const wrong = check(agent, ended, lines);
  return wrong && [wrong, lines, ended.output.slice(-1500), ended.errors.slice(-1500)].join('\n');
}

const cells = AGENTS.flatMap((agent) => Object.entries(UPSTREAMS).map(([upstream, model]) =>
  ({ name: `${agent.name} over ${upstream}`, agent, model })));
for (const { agent, upstream, model, choice } of OWN_NAMES) {
  cells.push({ name: `${agent.name} as ${model} over ${upstream}`, agent, choice });
}

// One after the other: the lines of the log that a run adds are its own.
const result = { passed: 0, failed: 0 };
for (const [i, cell] of cells.filter(({ name }) => name.includes(process.argv[2] ?? '')).entries()) {
  const started = Date.now();
  const wrong = await roundTrip(cell, join(homes, String(i))).catch((error) => error.stack);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  result[wrong ? 'failed' : 'passed']++;
  console.log(wrong ? `FAILED ${cell.name} (${seconds} s): ${wrong}` : `${cell.name} (${seconds} s)`);
}
try {
  await proxy.stop();
} catch (error) {
  result.failed++;
  console.log(`FAILED the proxy's end: ${error.message}`);
}
console.log(`${result.passed} passed, ${result.failed} failed`);
process.exit(result.failed > 0 ? 1 : 0);
