import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCommandTable } from '../../../scripts/lib/man-page.ts';
import { blocksOf, pages, root } from './pages.ts';

/** Every command in README.md and docs/ is one that the command line, package.json or npm has. */
const table = await readCommandTable();
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts,
);

/** Lines of blocks for a shell, and code within text that begins like a command. */
const commands = pages.flatMap((page) => {
  const inBlocks = blocksOf(page)
    .filter(({ language }) => language === 'sh' || language === '')
    .flatMap(({ at, text }) => text.split('\n').map((line) => ({ at, text: line.replace(/^\$ /, '') })));
  const inText = [...page.text.matchAll(/`([^`\n]+)`/g)].map(([, text]) => ({ at: page.file, text: text! }));
  return [...inBlocks, ...inText].flatMap(({ at, text }) =>
    text
      .split(/\s(?:&&|;|\|)\s/)
      .map((part) => part.replace(/\s{2,}#.*|\s*[>#].*$/, '').trim())
      .filter((part) => /^(?:npx )?pgsluice |^npm run /.test(part))
      .map((part) => ({ at, text: part })),
  );
});

function problemOf(command: string): string | null {
  const [program, ...words] = command.replace(/^npx /, '').split(/\s+/);
  if (program === 'npm') return scripts.includes(words[1]!) ? null : `no script ${words[1]}`;
  const valued = table.options.filter(({ takesValue }) => takesValue).flatMap(({ names }) => names);
  while (words[0]?.startsWith('-')) words.splice(0, valued.includes(words[0]) ? 2 : 1);
  const name = words.shift() ?? '';
  // A word in capitals stands for any verb.
  if (!/^[a-z]+$/.test(name) || name === 'help') return null;
  const verb = table.verbs.find((entry) => entry.name === name);
  if (verb === undefined) return `no verb ${name}`;
  const options = [...verb.options, ...table.options];
  for (const [n, word] of words.entries()) {
    if (!word.startsWith('-')) continue;
    const [flag] = word.split('=');
    const option = options.find(({ names }) => names.includes(flag!));
    if (option === undefined) return `${name} has no ${flag}`;
    const value = words[n + 1];
    if (option.choices.length > 0 && value !== undefined && /^[a-z_]+$/.test(value) && !option.choices.includes(value))
      return `${flag} does not take ${value}`;
  }
  return null;
}

test('there are commands', () => assert.ok(commands.length > 100, String(commands.length)));

test('the verbs and options in the pages are those of the command line', () => {
  const problems = commands.flatMap(({ at, text }) => {
    const problem = problemOf(text);
    return problem === null ? [] : [`${at}: ${text}: ${problem}`];
  });
  assert.deepEqual(problems, []);
});

test('a wrong verb, option or value would be found', () => {
  assert.match(problemOf('pgsluice rnu shop.yaml') ?? '', /no verb/);
  assert.match(problemOf('pgsluice run shop.yaml --fence auto') ?? '', /run has no --fence/);
  assert.match(problemOf('npx pgsluice --log json cutover shop.yaml --fence open') ?? '', /does not take open/);
  assert.match(problemOf('npm run nothing') ?? '', /no script/);
});
