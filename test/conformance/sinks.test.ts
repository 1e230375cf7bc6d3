import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Cell } from '../../core/postgres/tuple.ts';
import jsonl from '../../configs/plugins/sink-jsonl.ts';
import { sinkPostgres } from '../../plugins/sink-postgres/plugin.ts';
import { database, server } from '../support/servers.ts';
import { sinkConformance } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'pgsluice-sinks-'));
after(() => rmSync(directory, { recursive: true }));

const target = await database(await server(17));
await target.query('CREATE TABLE public.sample (id integer PRIMARY KEY, name text, note text)');

sinkConformance(sinkPostgres, {
  subject: {
    options: { url: target.url, schema: 'existing', on_existing: 'truncate' },
    schema: 'public',
    table: 'sample',
    read: async () => {
      const rows = await target.query<Record<string, Cell>>('SELECT id::text, name, note FROM public.sample');
      return rows.map((row) => [row['id'] ?? null, row['name'] ?? null, row['note'] ?? null]);
    },
  },
});

interface Line {
  readonly op: string;
  readonly row?: Readonly<Record<string, Cell>>;
  readonly old?: Readonly<Record<string, Cell>>;
}

sinkConformance(jsonl, {
  directory,
  transactional: false,
  subject: { options: { file: 'out/lines.jsonl' }, schema: 'public', table: 'sample', read: replay },
});

/** The rows that the lines stand for. */
async function replay(): Promise<Cell[][]> {
  const text = await readFile(join(directory, 'out/lines.jsonl'), 'utf8');
  const rows = new Map<Cell, Readonly<Record<string, Cell>>>();
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const { op, row, old } = JSON.parse(line) as Line;
    if (op === 'begin' || op === 'truncate') rows.clear();
    else if (op === 'delete') rows.delete(old!['id']!);
    else rows.set(row!['id']!, { ...rows.get(row!['id']!), ...row });
  }
  return [...rows.values()].map((row) => [row['id']!, row['name']!, row['note']!]);
}
