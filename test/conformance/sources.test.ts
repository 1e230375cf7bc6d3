import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SourcePlugin } from '../../core/api/plugin.ts';
import { Registry } from '../../core/registry/registry.ts';
import { sourcePostgres } from '../../plugins/source-postgres/plugin.ts';
import { database, server } from '../support/servers.ts';
import { sourceConformance } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgsluice-source-'));
after(() => rmSync(folder, { recursive: true }));
const source = await database(await server(17));
await source.query('CREATE TABLE public.sample (id integer PRIMARY KEY, name text, note text)');

sourceConformance(sourcePostgres, {
  subject: {
    options: { url: source.url, slot: { name: source.name }, publication: { name: source.name } },
    schema: 'public',
    table: 'sample',
    write: async (rows) => {
      const json = JSON.stringify(rows.map(([id, name, note]) => ({ id, name, note })));
      const from = `json_to_recordset($json$${json}$json$) AS x (id int, name text, note text)`;
      await source.query(`INSERT INTO public.sample SELECT * FROM ${from}`);
    },
  },
});

interface JsonlOptions {
  readonly file: string;
  readonly table: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly key: readonly string[];
}

const examples = fileURLToPath(new URL('../../configs/plugins', import.meta.url));
const jsonl = await new Registry([]).load('source', './source-jsonl.ts', examples);

sourceConformance(jsonl as SourcePlugin<JsonlOptions>, {
  directory: folder,
  subject: {
    options: {
      file: 'sample.jsonl',
      table: 'public.sample',
      columns: { id: 'integer', name: 'text', note: 'text' },
      key: ['id'],
    },
    schema: 'public',
    table: 'sample',
    write: async (rows) => {
      const lines = rows.map(([id, name, note]) => `${JSON.stringify({ id: Number(id), name, note })}\n`);
      appendFileSync(join(folder, 'sample.jsonl'), lines.join(''));
    },
  },
});
