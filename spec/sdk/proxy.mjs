// The real binary on a free port, with a configuration of its own: `demo` four times, each speaking one dialect only.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_SECONDS = 20;
const STOP_SECONDS = 20;
const REPORTS = ['ERROR: AddressSanitizer', 'ERROR: LeakSanitizer', 'runtime error:', 'PANIC', 'stack traceback:',
  'cliproxy failed inside'];

export const KEY = 'sdk-spec-key';
export const ADMIN_KEY = 'sdk-spec-admin-key';

/** Instance of each upstream dialect. */
export const UPSTREAMS = {
  openai_chat: 'demo_chat',
  openai_responses: 'demo_responses',
  anthropic: 'demo_anthropic',
  gemini: 'demo_gemini',
};

function config(folder, more) {
  const instances = Object.entries(UPSTREAMS).map(([dialect, name]) =>
    `    ${name} = { script = "demo", dialects = { "${dialect}" }, models = { "${name}-*" } },`);
  const routes = Object.values(UPSTREAMS).map((name) => `{ model = "${name}", to = "${name}/demo" }`);
  return `return {
  listen = "127.0.0.1:0",
  state_dir = "${folder}/state",
  drain_timeout = 3,
  api_keys = { "${KEY}" },
  admin_key = "${ADMIN_KEY}",
  providers = {
${instances.join('\n')}
  },
  routes = {
${[...routes, ...more].map((route) => `    ${route},`).join('\n')}
  },
}
`;
}

/** Finished requests as the proxy tells them on its live feed. */
class Feed {
  #waiters = new Set();
  #seen = [];
  #stop = new AbortController();

  async open(url) {
    const answer = await fetch(`${url}/v1/admin/events`, {
      headers: { authorization: `Bearer ${ADMIN_KEY}` }, signal: this.#stop.signal,
    });
    if (answer.status !== 200) throw new Error(`the live feed answered ${answer.status}`);
    this.#read(answer.body).catch(() => {});
  }

  async #read(body) {
    let text = '';
    for await (const piece of body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const lines = text.split('\n');
      text = lines.pop();
      for (const line of lines) {
        if (line.startsWith('data: {')) this.#tell(JSON.parse(line.slice(6)));
      }
    }
  }

  #tell(event) {
    this.#seen.push(event);
    for (const waiter of this.#waiters) {
      if (waiter.wants(event)) {
        this.#waiters.delete(waiter);
        waiter.resolve(event);
      }
    }
  }

  /** The first finished request that `wants` takes, past or to come. The test's own time limit bounds the wait. */
  find(wants) {
    const known = this.#seen.find(wants);
    if (known) return Promise.resolve(known);
    return new Promise((resolve) => this.#waiters.add({ wants, resolve }));
  }

  close() {
    this.#stop.abort();
  }
}

/** Resolves with the address once the log tells it; the log is the child's standard output and error. */
async function listening(child, log) {
  const until = Date.now() + START_SECONDS * 1000;
  for (;;) {
    const address = readFileSync(log, 'utf8').match(/listening on (?:http:\/\/)?([\d.:]+)/)?.[1];
    if (address) return `http://${address}`;
    if (child.exitCode !== null || child.signalCode !== null) break;
    if (Date.now() > until) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`cliproxy does not listen:\n${readFileSync(log, 'utf8').slice(-3000)}`);
}

/** `routes`: further ones, as Lua. */
export async function start({ routes = [] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'cliproxy-sdk-'));
  const log = join(folder, 'log');
  mkdirSync(join(folder, 'state'));
  writeFileSync(join(folder, 'config.lua'), config(folder, routes));
  const output = openSync(log, 'a');
  const child = spawn(process.env.CPX_BINARY ?? join(ROOT, 'build/cliproxy'), ['serve'], {
    stdio: ['ignore', output, output],
    env: { ...process.env, CLIPROXY_CONFIG: join(folder, 'config.lua') },
  });
  closeSync(output);
  const ended = once(child, 'exit');
  // Whatever ends this process, the proxy and its folder go with it.
  process.once('exit', () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

  const url = await listening(child, log);
  const feed = new Feed();
  await feed.open(url);

  /** Ends it and holds it to its end: exit code 0, nothing alarming in its log. */
  async function stop() {
    feed.close();
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_SECONDS * 1000);
    const [code, signal] = await ended;
    clearTimeout(late);
    const text = readFileSync(log, 'utf8');
    if (code !== 0) throw new Error(`cliproxy ended with ${code ?? signal}, not 0:\n${text.slice(-3000)}`);
    for (const report of REPORTS) {
      const from = text.indexOf(report);
      if (from >= 0) throw new Error(`the log holds a report:\n${text.slice(Math.max(0, from - 500), from + 2000)}`);
    }
  }

  return { url, feed, stop, config: join(folder, 'config.lua'), log: () => readFileSync(log, 'utf8') };
}
