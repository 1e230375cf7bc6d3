import type { Divisible } from '../../../core/api/sink.ts';
import { groupsOf } from './layout.ts';
import type { By } from './stored.ts';

/** Groups and tables that are named one by one. */
const most = 12;
const mostNames = 6;
/** From this share of all writes on, one group decides how fast the whole is. */
const large = 0.5;

/** What lanes will be given, for `plan`. Pure. */
export function tellDivision({ tables, connected }: Divisible, lanes: number, by: By): readonly string[] {
  const groups = by === 'group' ? connected : [];
  const edges = groups.map(([one, other]) => [one, other] as const);
  const of = groupsOf({ tables, edges }).filter(({ writes, names }) => writes > 0 || names.length > 1);
  const all = tables.reduce((sum, { writes }) => sum + writes, 0);
  const lines = [`lanes: ${lanes} by ${by}`];
  if (by !== 'key') {
    const share = (writes: number) => (all === 0 ? '' : `${percent(writes / all)} of the writes: `);
    lines.push(...of.slice(0, most).map(({ names, writes }) => `  ${share(writes)}${listed(names)}`));
    if (of.length > most) lines.push(`  and ${of.length - most} more ${by}s`);
    const top = all === 0 ? 0 : (of[0]?.writes ?? 0) / all;
    if (top >= large) lines.push(`  note: ${tooLarge(by, top)}`);
  } else {
    const whole = tables.filter((table) => table.whole !== null);
    lines.push(...whole.slice(0, most).map((table) => `  whole in one lane: ${table.name} (${table.whole})`));
    if (whole.length > most) lines.push(`  and ${whole.length - most} more`);
  }
  if (all === 0) lines.push('  note: the statistics of the source know of no writes');
  if (by !== 'group' && connected.length > 0) lines.push('  foreign keys: made at the cutover (with schema: create)');
  return lines;
}

function tooLarge(by: By, top: number): string {
  const rest = by === 'group' ? 'by: key divides the rows of its tables' : 'by: key divides its rows';
  return `one ${by} has ${percent(top)} of the writes: lanes apply at most ${(1 / top).toFixed(1)} times what one session does; ${rest}`;
}

const percent = (share: number) => `${Math.round(share * 100)}%`;

function listed(names: readonly string[]): string {
  const sorted = names.toSorted();
  const more = sorted.length - mostNames;
  return more > 0 ? `${sorted.slice(0, mostNames).join(', ')} and ${more} more` : sorted.join(', ');
}
