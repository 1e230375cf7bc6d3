import { type Command, InvalidArgumentError } from 'commander';
import { acceptable, findUncovered } from '../../operations/coverage/find-uncovered.ts';
import { blocking, printUncovered, refuseUnknownNames } from '../../operations/coverage/uncovered.ts';
import { differingTables } from '../../operations/verify/differing.ts';
import { schemaDifferences } from '../../operations/verify/schema/differences.ts';
import { printVerify } from '../../operations/verify/print.ts';
import type { CompareOptions } from '../../operations/verify/compare.ts';
import { VerifyProgress } from '../../operations/verify/progress.ts';
import { compareSchemas } from '../../operations/verify/schema/compare-schemas.ts';
import { printSchemas } from '../../operations/verify/schema/print.ts';
import { mostRepaired } from '../../operations/verify/repair.ts';
import { awaitTaken } from '../../operations/verify/verify-trees.ts';
import { planKnown, verifyPipeline } from '../../operations/verify/verify-pipeline.ts';
import type { Cli } from '../cli.ts';
import { openEnds } from '../open-locked.ts';
import { verifyWorkers } from '../../operations/verify/run-verify.ts';
import { duration } from './cutover.ts';

interface VerifyFlags {
  readonly table?: readonly string[];
  readonly json?: boolean;
  readonly workers: number;
  readonly limit: number;
  readonly repair?: boolean;
  readonly values?: boolean;
  readonly fresh?: boolean;
  readonly rangeRows?: number;
  readonly snapshotAge?: number;
  readonly schema?: boolean;
  readonly accept?: readonly string[];
}

/**
 * `pgsluice verify FILE`: compares source and target at one position, beside an active run or without one. Exit 4 on a
 * difference.
 */
export function register(program: Command, cli: Cli): void {
  program
    .command('verify')
    .description('compare source and target as the transforms map them; exit 4 if they differ')
    .argument('<file>', 'pipeline file')
    .option('--table <name...>', 'only these tables (schema.table on the source)')
    .option('--workers <n>', 'connections on each side that hash at the same time', positive, verifyWorkers)
    .option('--limit <n>', 'differing rows that are named per table', positive, 20)
    .option('--values', 'of the rows that are named, print what differs: row values then stand in the report')
    .option('--repair', 'copy differing rows again; needs that no run is under way')
    .option('--fresh', 'compare every table, also what an interrupted verification had found equal')
    .option('--range-rows <n>', 'rows of a large table that are hashed in one statement (1000000)', positive)
    .option(
      '--snapshot-age <duration>',
      'no snapshot is used for longer; what is left is compared in the next (20s)',
      duration,
    )
    .option('--schema', 'compare the objects of the schemas, too, and print the statements that mend what differs')
    .option('--accept <name...>', 'these may be missing or differ: names as the report prints them')
    .option('--json', 'print the report as JSON')
    .action((file: string, flags: VerifyFlags) => cli.withSignals((signal) => verify(cli, file, flags, signal)));
}

async function verify(cli: Cli, file: string, flags: VerifyFlags, signal: AbortSignal): Promise<void> {
  try {
    await compare(cli, file, flags, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    // Not 0, so that nobody takes this for "all agree".
    cli.stderr.write('interrupted: the same command goes on with what is not compared yet; --fresh starts over\n');
    cli.exit(1);
  }
}

async function compare(cli: Cli, file: string, flags: VerifyFlags, signal: AbortSignal): Promise<void> {
  await using opened = await openEnds(cli, { file, logTo: 'stderr', signal });
  const { locked } = opened;
  const pipeline = await awaitTaken(opened.pipeline, locked);
  const { state, log } = pipeline.context;
  const only = flags.table ?? null;
  const planning = await planKnown(pipeline);
  const { store } = pipeline.instances;
  const progress = await VerifyProgress.open({ store, state, log, only, fresh: flags.fresh === true });
  const { workers, repair = false } = flags;
  const age = flags.snapshotAge === undefined ? {} : { renewAfter: flags.snapshotAge };
  const options = { pipeline, locked, only, workers, repair, compare: compareOptions(flags), progress, ...age };
  const { context } = pipeline;
  const readSchemas = async () =>
    flags.schema === true ? compareSchemas(context.source, planning.sinks, planning.excluded, context.stop) : null;
  const report = await verifyPipeline(options, planning).catch(async (error: unknown) => {
    // If the stream cannot go on, a schema difference is the most likely reason, and the stream's error refers to this
    // output.
    if (!context.stop.aborted) cli.stdout.write(printSchemas((await readSchemas()) ?? []));
    throw error;
  });
  const schemas = await readSchemas();
  const listed = await findUncovered({ context, planning, moment: 'following', deep: only === null });
  const uncovered = only === null ? listed : listed.filter(({ name }) => only.includes(name));
  const accept = new Set(flags.accept ?? []);
  const all = [...uncovered, ...schemaDifferences(schemas ?? [], 'following')];
  refuseUnknownNames(accept, all, acceptable({ context, planning }));
  const schemaPart = schemas === null ? {} : { schemas: schemas.map(({ script: _, ...schema }) => schema) };
  const text = `${printVerify(report)}${printSchemas(schemas ?? [])}${printUncovered(uncovered, accept)}`;
  cli.stdout.write(flags.json === true ? `${toJson({ ...report, ...schemaPart, uncovered })}\n` : text);
  await progress?.forget();
  if (blocking([...differingTables(report.tables), ...all], accept).length > 0) cli.exit(4);
}

function compareOptions({ repair, limit, rangeRows, values }: VerifyFlags): Partial<CompareOptions> {
  return {
    limit: repair === true ? mostRepaired : limit,
    values: values === true ? limit : 0,
    ...(rangeRows === undefined ? {} : { rangeRows }),
  };
}

export function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('a whole number above 0 is wanted');
}

function toJson(report: unknown): string {
  return JSON.stringify(report, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 2);
}
