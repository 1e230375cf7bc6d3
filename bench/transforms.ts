import { parseArgs } from 'node:util';
import type { Change } from '../core/api/change.ts';
import type { Tuple } from '../core/postgres/tuple.ts';
import { loadParser } from '../core/expr/parse.ts';
import { createMapper } from '../core/pipeline/plan/mapper.ts';
import { type PlanStep, planTables } from '../core/pipeline/plan/planner.ts';
import { columns } from '../plugins/transform-columns/plugin.ts';
import { filter } from '../plugins/transform-filter/plugin.ts';
import { mask } from '../plugins/transform-mask/plugin.ts';
import { rename } from '../plugins/transform-rename/plugin.ts';
import { script } from '../plugins/transform-script/plugin.ts';
import { set } from '../plugins/transform-set/plugin.ts';
import { inserted, planInput, relation, step, updated } from '../test/support/plan.ts';

/**
 * What transforms cost: nanoseconds of CPU per change in the stream, best of several runs over batches of 1000, and MB/s of
 * COPY text per CPU second through the rows route's mapping. No server. CPU time of this process with its collector: a machine that
 * is busy otherwise shows in it only through its caches.
 */
const { values: options } = parseArgs({ options: { runs: { type: 'string', default: '7' } } });

await loadParser();
const table = relation(
  'public.orders',
  'id bigint key, customer_id bigint, state text, placed_at timestamp, price numeric(10,2), quantity integer, mail text, note text, city text, flag boolean',
);
const row = (i: number): Tuple => [
  String(i),
  String(i * 7),
  i % 10 === 0 ? 'draft' : 'paid',
  '2024-05-17 12:34:56.789012',
  '1234.50',
  '3',
  `customer${i}@example.com`,
  'left at the door, please ring twice before five',
  'Reykjavík',
  't',
];
const rows = Array.from({ length: 1000 }, (_, i) => row(i));
const inserts: readonly Change[] = rows.map((each) => inserted(table, each));
const updates: readonly Change[] = rows.map((each) => updated(table, each));
const where = filter({ where: "state <> 'draft'" });

const cases: readonly (readonly [string, readonly PlanStep[], readonly Change[]])[] = [
  ['nothing', [], inserts],
  ['rename', [step(rename({ to: 'crm.{table}', columns: { mail: 'email' } }))], inserts],
  ['filter on text', [step(where)], inserts],
  ['filter on text, updates', [step(where)], updates],
  ['filter on bigint', [step(filter({ where: 'customer_id > 300' }))], inserts],
  [
    'filter on timestamp and text',
    [step(filter({ where: "state <> 'draft' AND placed_at >= '2024-01-01'" }))],
    inserts,
  ],
  ['columns (drop two)', [step(columns({ drop: ['note', 'city'] }))], inserts],
  ['set (price * quantity)', [step(set({ columns: { total: 'price * quantity' } }))], inserts],
  ['mask hash', [step(mask({ columns: { mail: { hash: { secret: 'a-long-secret' } } } }))], inserts],
  ['mask digits', [step(mask({ columns: { mail: { digits: { secret: 'a-long-secret' } } } }))], inserts],
];

process.stdout.write('stream, ns per change\n');
for (const [name, steps, changes] of cases) {
  const input = planInput([table], steps);
  const { plans, problems } = planTables(input);
  if (problems[0] !== undefined) throw problems[0];
  const mapper = createMapper(input, plans);
  const rounds = name.startsWith('mask') ? 20 : 300;
  const ns = best(() => {
    for (let i = 0; i < rounds; i++) mapper.map(changes);
  });
  process.stdout.write(`  ${name.padEnd(30)} ${(ns / rounds / changes.length).toFixed(0).padStart(7)}\n`);
}

process.stdout.write('rows route, MB/s of COPY text through the mapping\n');
const bytes = rows.reduce((sum, each) => sum + Buffer.byteLength(each.join('\t')) + 1, 0);
const tails: readonly (readonly [string, readonly PlanStep[]])[] = [
  ['script (rows as they are)', [step(script((all) => all))]],
  ['script (one column changed)', [step(script((all) => all.map((one) => ({ ...one, city: 'x' }))))]],
  [
    'script, then filter and set',
    [step(script((all) => all)), step(where), step(set({ columns: { total: 'price * quantity' } }))],
  ],
];
for (const [name, steps] of tails) {
  const [plan] = planTables(planInput([table], steps)).plans;
  const tail = plan?.tail;
  if (tail === undefined || tail === null) throw new Error('no tail');
  let least = Infinity;
  for (let run = 0; run < Number(options.runs); run++) {
    const start = process.cpuUsage();
    for (let i = 0; i < 100; i++) await tail.rows(rows);
    least = Math.min(least, since(start));
  }
  process.stdout.write(`  ${name.padEnd(30)} ${((bytes * 100 * 1000) / least).toFixed(0).padStart(7)}\n`);
}

function best(run: () => void): number {
  let least = Infinity;
  for (let i = 0; i < Number(options.runs); i++) {
    const start = process.cpuUsage();
    run();
    least = Math.min(least, since(start));
  }
  return least;
}

/** Nanoseconds of CPU since then. */
function since(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) * 1000;
}
