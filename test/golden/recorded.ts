import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import type { GoldenRecord } from './compare.ts';
import type { Recording } from './settings.ts';

const folder = join(import.meta.dirname, 'debezium');

/** Records that a Debezium wrote; see debezium/README.md. */
export async function recorded({ name, form }: Pick<Recording, 'name' | 'form'>): Promise<readonly GoldenRecord[]> {
  return form === 'json'
    ? plain(await lines(`${name}.jsonl.br`))
    : withSchemas(await lines(`${name}.schemas.jsonl.br`));
}

async function lines(file: string): Promise<readonly string[]> {
  return brotliDecompressSync(await readFile(join(folder, file)))
    .toString()
    .trimEnd()
    .split('\n');
}

function plain(of: readonly string[]): readonly GoldenRecord[] {
  return of.map((line) => {
    const { topic, key, value, headers } = JSON.parse(line) as Omit<GoldenRecord, 'headers'> & {
      readonly headers: readonly (readonly [name: string, json: string, simple: string])[];
    };
    return { topic, key, value, headers: headers.map(([name, , simple]) => [name, simple] as const) };
  });
}

/** The file's form is that of recorder/record.ts. */
function withSchemas([first, ...rest]: readonly string[]): readonly GoldenRecord[] {
  const schemas = JSON.parse(first!) as string[];
  type Part = readonly [schema: number, payload: string] | null;
  const text = (part: Part) => (part === null ? null : `{"schema":${schemas[part[0]]},"payload":${part[1]}}`);
  return rest.map((line) => {
    const { key, value, ...record } = JSON.parse(line) as GoldenRecord & { key: Part; value: Part };
    return { ...record, key: text(key), value: text(value) };
  });
}
