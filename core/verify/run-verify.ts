import { relationName } from '../api/relation.ts';
import type { DigestSession } from '../api/digest.ts';
import type { Logger } from '../api/context.ts';
import type { Source } from '../api/source.ts';
import type { PlannedSink } from '../runtime/instances.ts';
import type { Aligned } from './aligned.ts';
import { type CompareOptions, compareTable, type TableComparison } from './compare.ts';
import { verifyError } from './errors.ts';
import { queriesOf } from './queries.ts';

export interface TableVerdict {
  readonly sink: string;
  /** `schema.table` on the source and in the target. */
  readonly table: string;
  readonly target: string;
  readonly keyNames: readonly string[];
  /** Null: could not be compared, and why. */
  readonly comparison: TableComparison | null;
  readonly skipped: string | null;
}

export interface VerifyReport {
  readonly equal: boolean;
  readonly tables: readonly TableVerdict[];
  readonly seconds: number;
}

export const compareDefaults: CompareOptions = { rangeRows: 200_000, drillRows: 2_000, limit: 20 };

export interface VerifyOptions {
  readonly compare: CompareOptions;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** `schema.table` names on the source; null: all. */
  readonly only: readonly string[] | null;
}

/**
 * Compares every table of every sink that can be read back. The caller has brought the sinks to the position of the
 * source's view; as soon as the views of the targets are open, `aligned.release` lets them go on.
 */
export async function verifyAll(
  source: Source,
  sinks: readonly PlannedSink[],
  aligned: Aligned,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const started = performance.now();
  const readable = sinks.filter((sink) => sink.sink.digests !== null);
  if (readable.length === 0) throw verifyError('PGS7002', 'no sink of this pipeline can be read back');
  await using opened = new AsyncDisposableStack();
  const pairs: { sink: PlannedSink; source: DigestSession; target: DigestSession }[] = [];
  for (const sink of readable) {
    const target = opened.use(await sink.sink.digests!.open(options.signal));
    const view = opened.use(await source.digests.open(options.signal, aligned.snapshot));
    pairs.push({ sink, source: view, target });
  }
  await aligned.release();
  const verdicts: TableVerdict[] = [];
  for (const { sink, ...sides } of pairs) verdicts.push(...(await verifySink(sink, sides, options)));
  const equal = verdicts.every((verdict) => verdict.comparison === null || verdict.comparison.equal);
  return { equal, tables: verdicts, seconds: (performance.now() - started) / 1000 };
}

async function verifySink(
  sink: PlannedSink,
  sides: { readonly source: DigestSession; readonly target: DigestSession },
  options: {
    readonly compare: CompareOptions;
    readonly log: Logger;
    readonly signal: AbortSignal;
    readonly only: readonly string[] | null;
  },
): Promise<readonly TableVerdict[]> {
  const verdicts: TableVerdict[] = [];
  for (const plan of sink.plans) {
    const table = relationName(plan.source);
    if (options.only !== null && !options.only.includes(table)) continue;
    const queries = queriesOf(plan);
    const names = { sink: sink.name, table, target: relationName(plan.output) };
    if (queries === null) {
      const skipped = plan.tail?.because ?? 'a step that only code understands';
      verdicts.push({ ...names, keyNames: [], comparison: null, skipped });
      continue;
    }
    const comparison = await compareTable(sides, queries, options.compare, options.signal);
    verdicts.push({ ...names, keyNames: queries.keyNames, comparison, skipped: null });
    options.log.log(
      comparison.equal ? 'info' : 'error',
      'table-verified',
      `${table} ${comparison.equal ? 'agrees' : 'differs'}`,
      {
        table,
        sourceRows: comparison.sourceRows,
        targetRows: comparison.targetRows,
        equal: comparison.equal,
      },
    );
  }
  return verdicts;
}
