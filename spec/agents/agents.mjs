// The coding agents as data: how each is asked for one thing without a terminal, and how its last words are read.

/** What the tool prints; no prompt has it in it. */
export const RESULT = '3-4-5-6';
const COMMAND = 'seq -s - 3 6';

/** `demo` calls the tool that a text names with the arguments that the text has for it. */
const prompt = (tool, input) => `Use the ${tool} tool with ${JSON.stringify(input)}`;

export const AGENTS = [
  {
    name: 'claude-code',
    command: ['-p', prompt('Bash', { command: COMMAND }), '--output-format', 'json', '--allowedTools', 'Bash'],
    answer: (output) => JSON.parse(output).result,
  },
  {
    name: 'codex',
    // What it tells OpenAI of its use takes seconds to give up where there is no network.
    command: ['exec', '-c', 'analytics.enabled=false', '--skip-git-repo-check', '--sandbox', 'danger-full-access',
      prompt('exec_command', { cmd: COMMAND })],
    answer: (output) => output,
  },
  {
    name: 'gemini-cli',
    command: ['-p', prompt('run_shell_command', { command: COMMAND }), '--yolo', '--skip-trust', '--output-format',
      'json'],
    answer: (output) => JSON.parse(output).response,
    // Without a terminal it cannot ask how to sign in.
    settings: '.gemini/settings.json',
  },
];

const [claude, codex, gemini] = AGENTS;

// As OpenAI's own models are asked: one tool in a namespace, which an item of the input adds and which takes code.
const code = {
  ...codex,
  command: [...codex.command.slice(0, -1),
    prompt('functions__exec', { input: `text((await tools.exec_command({cmd: ${JSON.stringify(COMMAND)}})).output)` })],
};

/** Agents left to their own models' names, which change what they ask for, and where those names lead. */
export const OWN_NAMES = [
  { agent: claude, upstream: 'openai_chat', model: 'claude-*' },
  { agent: code, upstream: 'openai_chat', model: 'gpt-6.1-sol', choice: ['-m', 'gpt-6.1-sol'] },
  { agent: code, upstream: 'openai_responses', model: 'gpt-6-sol', choice: ['-m', 'gpt-6-sol'] },
  { agent: gemini, upstream: 'anthropic', model: 'gemini-*' },
];
