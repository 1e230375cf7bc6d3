import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { database, server } from '../support/servers.ts';

/** The plugins of configs/plugins, as a user's own, from copy to cleanup. */
const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pgsluice-own-'));
after(() => rmSync(folder, { recursive: true }));
cpSync(join(root, 'configs/plugins'), folder, { recursive: true });
const source = await database(await server(17));

function pgsluice(...args: readonly string[]): Promise<{ readonly code: number; readonly stderr: string }> {
  const program = [join(root, 'bin/pgsluice.js'), ...args, join(folder, 'pipeline.yaml')];
  const env = { ...process.env, SOURCE_URL: source.url };
  return new Promise((resolve) => {
    execFile(process.execPath, program, { env }, (error, _, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stderr });
    });
  });
}

test('a transform and a sink in TypeScript beside the pipeline file copy, follow, resume and clean up', async () => {
  await source.query(`CREATE TABLE public.payment (id int PRIMARY KEY, card text);
    INSERT INTO public.payment VALUES (1, '4111 1111 1111 1001'), (2, NULL)`);
  assert.deepEqual(await pgsluice('run', '--stop-at', 'now'), { code: 0, stderr: '' });
  await source.query(`UPDATE public.payment SET card = '5500 0000 0000 9999' WHERE id = 1`);
  await source.query(`DELETE FROM public.payment WHERE id = 2`);
  assert.deepEqual(await pgsluice('run', '--stop-at', 'now'), { code: 0, stderr: '' });
  const lines = readFileSync(join(folder, 'payments.jsonl'), 'utf8').trimEnd().split('\n');
  const table = 'public.payment';
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [
      { op: 'begin', table },
      { op: 'row', table, row: { id: '1', card: '**** **** **** 1001' } },
      { op: 'row', table, row: { id: '2', card: null } },
      { op: 'update', table, row: { id: '1', card: '**** **** **** 9999' } },
      { op: 'delete', table, old: { id: '2', card: null } },
    ],
  );
  assert.equal((await pgsluice('cleanup', '--yes')).code, 0);
  assert.deepEqual(await source.query('SELECT 1 FROM pg_replication_slots WHERE database = current_database()'), []);
});
