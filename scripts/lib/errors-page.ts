import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ErrorSpec } from '../../core/base/error.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const exits = {
  1: 'failed while running',
  2: 'command line or file',
  3: 'preflight',
  4: 'verification',
} as const;

const ranges: readonly (readonly [number, string])[] = [
  [1000, 'The pipeline file'],
  [1100, 'The command line'],
  [2000, 'Connections to PostgreSQL'],
  [2100, 'PostgreSQL source'],
  [3000, 'PostgreSQL sink'],
  [4000, 'Transforms and planning'],
  [4100, 'Expressions'],
  [5000, 'Kafka sink'],
  [6000, 'Runtime and checkpoints'],
  [7000, 'Verification, cutover, operation'],
  [8000, 'Demo and local servers'],
  [9000, 'Plugins'],
];

/** docs/errors.md: every code of every table in core and in the built-in plugins, in order, each with an anchor. */
export async function errorsPage(): Promise<string> {
  const all = (await tables()).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const lines = [
    '# Error codes',
    '',
    'Generated from the tables in the sources; edit those. Each error is one line on stderr: the code, what happened, where',
    '(connection, table, LSN, SQLSTATE), and what to do. `--debug` adds the stack and the causes.',
    '',
    '"Tried again" means that a run retries with growing pauses, bounded, from the last durable position.',
  ];
  let heading = '';
  for (const [code, spec] of all) {
    const number = Number(code.slice(3));
    const range = ranges.findLast(([from]) => number >= from)?.[1] ?? 'Other';
    if (range !== heading) lines.push('', `## ${range}`);
    heading = range;
    lines.push('', `<a id="${code.toLowerCase()}"></a>`, '', `### ${code} ${spec.title}`, '');
    lines.push(`- Cause: ${spec.cause}`, `- What to do: ${spec.remedy}`);
    lines.push(`- Exit code ${spec.exit} (${exits[spec.exit]})${spec.retry === 'backoff' ? '; tried again' : ''}`);
  }
  return `${lines.join('\n')}\n`;
}

async function tables(): Promise<(readonly [string, ErrorSpec])[]> {
  const files = globSync('{core,plugins}/**/*errors.ts', { cwd: root }).toSorted();
  const found = new Map<string, { readonly file: string; readonly spec: ErrorSpec }>();
  for (const file of files) {
    const module = (await import(new URL(`../../${file}`, import.meta.url).href)) as Record<string, unknown>;
    for (const [code, spec] of Object.values(module).flatMap(entries)) {
      const other = found.get(code);
      if (other !== undefined && other.spec !== spec)
        throw new Error(`${code} is defined in ${other.file} and in ${file}`);
      found.set(code, { file, spec });
    }
  }
  return [...found].map(([code, { spec }]) => [code, spec]);
}

/** The rows of a table of codes; nothing for other exports. */
function entries(value: unknown): [string, ErrorSpec][] {
  if (typeof value !== 'object' || value === null) return [];
  return (Object.entries(value) as [string, ErrorSpec][]).filter(([code]) => /^PGS\d{4}$/.test(code));
}
