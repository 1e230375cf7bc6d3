import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Rows of text, columns aligned; the first row is the header. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  ');
  return `${rows.map(line).join('\n')}\n`;
}

/** What figures depend on. */
export function machine(): Readonly<Record<string, unknown>> {
  const all = cpus();
  return {
    cpus: all.length,
    model: all[0]?.model ?? 'unknown',
    memory: totalmem(),
    load: loadavg(),
    node: process.version,
    platform: process.platform,
  };
}

/** Writes bench/results/NAME.json and returns its path from the root of the repository. */
export async function writeResult(name: string, content: unknown): Promise<string> {
  const folder = fileURLToPath(new URL('../results/', import.meta.url));
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}${name}.json`, `${JSON.stringify(content, null, 2)}\n`);
  return `bench/results/${name}.json`;
}
