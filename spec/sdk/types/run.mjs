// Every recorded request for providers of other dialects, held against the types of the vendors' SDKs:
//
//     spec/sdk/node_modules/.bin/node spec/sdk/types/run.mjs        from the root of the repository
//
// CPX_LUA: the interpreter, build/cpx_lua by default; CPX_FIXTURES: the recorded exchanges. The last line is
// "N passed, N failed"; where there is nothing recorded, nothing fails. CPX_KEEP: the folder stays.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');
const modules = resolve(here, '../node_modules');
const folder = mkdtempSync(join(tmpdir(), 'cliproxy-types-'));

const OPTIONS = {
  compilerOptions: {
    strict: true, noEmit: true, skipLibCheck: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler',
    types: [],
  },
  include: ['*.ts'],
};

function call(command, args, cwd, env) {
  const done = spawnSync(command, args, { cwd, env: { ...process.env, ...env }, encoding: 'utf8', maxBuffer: 1e9 });
  return { ok: done.status === 0, text: `${done.stdout ?? ''}${done.stderr ?? ''}${done.error ?? ''}` };
}

function generate() {
  const lua = resolve(root, process.env.CPX_LUA ?? 'build/cpx_lua');
  const paths = { LUA_PATH: './?.lua;./?/init.lua;./lua/?.lua;;' };
  const done = call(lua, ['spec/sdk/types/generate.lua', folder], root, paths);
  if (!done.ok) throw new Error(done.text);
  return Number(done.text.trim().split('\n').pop());
}

function check() {
  for (const name of ['bodies.ts', 'wrong.ts']) copyFileSync(join(here, name), join(folder, name));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(OPTIONS));
  symlinkSync(modules, join(folder, 'node_modules'));
  return call(join(modules, '.bin/node'), [join(modules, 'typescript/bin/tsc'), '-p', '.', '--pretty', 'false'], folder);
}

// Files and lines with errors: about as many as constants that do not pass.
function failures(text) {
  return new Set(text.split('\n').map((line) => line.match(/^(\S+\(\d+),/)?.[1]).filter(Boolean)).size;
}

let passed = 0;
let failed = 0;
try {
  const count = generate();
  if (count > 0) {
    const done = check();
    failed = done.ok ? 0 : Math.max(1, failures(done.text));
    passed = Math.max(0, count - failed);
    if (!done.ok) console.log(done.text.slice(0, 60000));
  } else {
    console.log('There are no recorded exchanges here.');
  }
} catch (error) {
  failed += 1;
  console.log(String(error));
} finally {
  if (!process.env.CPX_KEEP) rmSync(folder, { recursive: true });
  else console.log(folder);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
