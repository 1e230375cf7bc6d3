import { printable } from '../../../base/terminal-text.ts';
import type { SinkSchema } from './compare-schemas.ts';
import type { FindingClass, SchemaFinding } from './findings.ts';

const words: Readonly<Record<FindingClass, string>> = {
  difference: 'DIFFERS',
  role: 'ROLE',
  extension: 'VERSION',
  owner: 'OWNER',
  note: 'note',
  pending: 'pending',
};
const effects = {
  safe: '',
  lock: '  -- locks the table, reads or rewrites it',
  loses: '  -- values or an object go for good',
  source: '  -- the values of the rows that are there are known to the source alone: copy the table again',
} as const;

/** Of each sink: every difference with the statements that mend it; what is pending in one line. */
export function printSchemas(sinks: readonly SinkSchema[]): string {
  const lines: string[] = [];
  for (const { sink, findings, compared, equal } of sinks) {
    const told = findings.filter((finding) => finding.class !== 'pending');
    const pending = findings.length - told.length;
    for (const finding of told) lines.push(...findingLines(finding));
    const count = told.filter(({ class: kind }) => kind === 'difference' || kind === 'role').length;
    const owners = told.filter(({ class: kind }) => kind === 'owner').length;
    const unowned = owners === 0 ? '' : `; ${owners} are of owners as whom our role may not act`;
    const waiting = pending === 0 ? '' : `; ${pending} come with the cutover`;
    lines.push(
      `schema: ${compared} objects compared with sink ${sink}: ${equal ? 'all agree' : `${count} differ`}${unowned}${waiting}`,
      '',
    );
  }
  return lines.join('\n');
}

export function findingLines({ class: kind, name, what, statements }: SchemaFinding): readonly string[] {
  return [
    `  ${words[kind].padEnd(8)} ${printable(name)}: ${printable(what)}`,
    ...statements.map(({ sql, effect }) => `             ${sql};${effects[effect]}`),
  ];
}
