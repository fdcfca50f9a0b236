// A tiny test runner: cells run a few at a time, each with a time limit; failures are told in one line each, and the
// last line is "N passed, N failed".

const AT_ONCE = 4;
const SECONDS = 20;

const cells = [];

/** Registers a test. `run` may return a promise. */
export function test(name, run) {
  cells.push({ name, run });
}

function within(promise, name) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${SECONDS} s`)), SECONDS * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function oneLine(error) {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const place = error?.stack?.match(/spec\/sdk\/([\w./-]+\.mjs:\d+)/)?.[1];
  return `${place ? `${place}: ` : ''}${text}`.replace(/\s+/g, ' ').slice(0, 600);
}

/** Runs what was registered and `filter` (text in the name) takes. Gives the number of failures. */
export async function run(filter = '') {
  const wanted = cells.filter((cell) => cell.name.includes(filter));
  let at = 0;
  let failed = 0;
  async function worker() {
    while (at < wanted.length) {
      const cell = wanted[at++];
      try {
        await within(Promise.resolve().then(cell.run), cell.name);
      } catch (error) {
        failed++;
        console.log(`FAILED ${cell.name}: ${oneLine(error)}`);
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { passed: wanted.length - failed, failed };
}
