import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pluginsNamed } from '../../../scripts/lib/core-names.ts';

const known = { names: ['postgres', 'file'], codes: new Set(['PGS2001']) };
const found = (line: string, file = 'core/cli/x.ts') => pluginsNamed(file, `${line}\n`, known).length;

test('names, options and codes of plugins, and errors told by their words, are found in core', () => {
  for (const line of [
    "if (sink.plugin === 'postgres') return;",
    "if (use.plugin.name !== 'file') return;",
    "return { plugin: 'postgres', ...rest };",
    "if (source['plugin'] !== 'postgres') throw error;",
    "await registry.load('source', 'postgres', directory);",
    '`sinks:\n  - plugin: postgres`',
    "if (error.code === 'PGS2001') return;",
    "const url = options['url'];",
    "if (error.message.startsWith('no ')) return;",
    'if (/gone/.test(error.message)) return;',
  ])
    assert.equal(found(line), 1, line);
});

test('comments, core itself and other uses of the same words are not', () => {
  for (const line of [
    "// plugin === 'postgres'",
    '/** `plugin: postgres` */ const a = 1;',
    'export function make(plugin: AnyPlugin): string {',
    "await state.put('file', fingerprint);",
    "const tables = options['tables'];",
    "if (error.code === 'PGS6001') return;",
    "const words = error.message.split('\\n');",
  ])
    assert.equal(found(line), 0, line);
  assert.equal(found('if (/gone/.test(error.message)) return;', 'core/postgres/pg-error.ts'), 0);
});
