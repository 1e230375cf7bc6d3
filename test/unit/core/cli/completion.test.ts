import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const folder = mkdtempSync(join(tmpdir(), 'pgsluice-completion-'));
after(() => rmSync(folder, { recursive: true }));
const bin = fileURLToPath(new URL('../../../../bin/pgsluice.js', import.meta.url));

function scriptOf(shell: string): string {
  const file = join(folder, shell);
  writeFileSync(file, execFileSync(process.execPath, [bin, 'completion', shell], { encoding: 'utf8' }));
  return file;
}

const missing = (shell: string) =>
  spawnSync(shell, ['-c', 'true']).status !== 0 && `no ${shell} here: its completion was NOT tried`;

/** What a shell offers for the last of these words. */
type Complete = (words: readonly string[]) => readonly string[];

function offersAll(complete: Complete): void {
  const verbs = complete(['']);
  for (const verb of ['run', 'assess', 'cutover', 'completion', 'help']) assert.ok(verbs.includes(verb), verb);
  assert.deepEqual(complete(['cut']), ['cutover']);
  assert.deepEqual(complete(['--log', 'pretty', 'cut']), ['cutover'], 'a value is not taken for the verb');
  assert.deepEqual(complete(['run', '--on']), ['--on-restore-error']);
  assert.deepEqual(complete(['run', '--on-restore-error', '']).toSorted(), ['skip', 'stop']);
  assert.deepEqual(complete(['run', 'shop.yaml', '--fen']), [], 'the option of another verb');
  assert.deepEqual(complete(['cutover', 'shop.yaml', '--fen']), ['--fence']);
  assert.deepEqual(complete(['completion', '']).toSorted(), ['bash', 'fish', 'zsh']);
  assert.deepEqual(complete(['help', 'valid']), ['validate']);
}

test('bash completes verbs, their options and values', { skip: missing('bash') }, () => {
  const script = scriptOf('bash');
  offersAll((words) => {
    const text = `source "$0"; COMP_WORDS=(pgsluice "$@"); COMP_CWORD=$#; _pgsluice; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-uc', text, script, ...words], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean);
  });
});

test('fish completes verbs, their options and values', { skip: missing('fish') }, () => {
  const script = scriptOf('fish');
  offersAll((words) => {
    const text = `source ${script}; complete -C 'pgsluice ${words.join(' ')}'`;
    return execFileSync('fish', ['--no-config', '-c', text], { encoding: 'utf8', cwd: folder })
      .split('\n')
      .flatMap((line) => line.split('\t')[0] ?? [])
      .filter(Boolean);
  });
});

test('zsh reads its script', { skip: missing('zsh') }, () => {
  const ran = spawnSync(
    'zsh',
    ['-fc', 'autoload -U compinit; compinit -D -u; source "$0"; print $+functions[_pgsluice]', scriptOf('zsh')],
    {
      encoding: 'utf8',
      env: { ...process.env, HOME: folder },
    },
  );
  assert.deepEqual([ran.status, ran.stderr, ran.stdout], [0, '', '1\n']);
});

test('a shell that is not known is refused with 2', () => {
  const ran = spawnSync(process.execPath, [bin, 'completion', 'tcsh'], { encoding: 'utf8' });
  assert.equal(ran.status, 2);
  assert.match(ran.stderr, /^PGS1104 .*bash, zsh, fish/);
});
