import { relationName } from '../../postgres/relation.ts';
import type { Followed } from './stream-options.ts';
import { knownTables } from '../../pipeline/state/known-tables.ts';
import { type Planning, planSinks } from '../../pipeline/open/planning.ts';
import { type Aligned, alignHere, alignNow, alignThere, reportsIn } from './aligned.ts';
import type { CompareOptions } from './compare.ts';
import { verifyError } from './errors.ts';
import type { VerifyProgress } from './progress.ts';
import { lookAgain } from './look-again.ts';
import { verifyTrees } from './verify-trees.ts';
import { compareDefaults, verifyAll, type VerifyReport, verifyWorkers } from './run-verify.ts';
import { readCatalog } from '../../api/source.ts';

export interface VerifyPipelineOptions {
  readonly pipeline: Followed;
  /** This process holds the pipeline's lock: no run is under way elsewhere. */
  readonly locked: boolean;
  readonly compare?: Partial<CompareOptions>;
  readonly only?: readonly string[] | null;
  readonly workers?: number;
  /** Milliseconds that a run elsewhere may take to come close to the source. */
  readonly patience?: number;
  readonly repair?: boolean;
  readonly leave?: boolean;
  /** See {@link VerifyOptions.renewAfter}. */
  readonly renewAfter?: number;
  /** Of a verification that goes on with an interrupted one; left out: every table is compared now. */
  readonly progress?: VerifyProgress | null;
}

/** Milliseconds that a snapshot of a verification serves; a range that is begun is finished in it. */
const renewAfter = 20_000;

/** Plans the tables that the pipeline has, as a run would; through a journal, as far as the targets behind it. */
export async function planKnown({ context, instances, chain }: Followed): Promise<Planning> {
  const catalog = await readCatalog(context.source, context.stop);
  const known = knownTables(context.state, catalog);
  const planning = await planSinks(chain?.sinks ?? instances.sinks, known, true, context.stop);
  return chain === undefined ? planning : { ...planning, deadLetters: chain.deadLetters };
}

/** Verification with a run under way elsewhere, with none, or after the cutover. */
export async function verifyPipeline(options: VerifyPipelineOptions, planning: Planning): Promise<VerifyReport> {
  const { context } = options.pipeline;
  const more = {
    compare: { ...compareDefaults, ...options.compare },
    log: context.log,
    signal: context.stop,
    only: options.only ?? null,
    workers: options.workers ?? verifyWorkers,
    repair: options.repair ?? false,
    leave: options.leave ?? false,
    renewAfter: options.renewAfter ?? renewAfter,
    progress: null,
  };
  if (more.repair) refuseRepair(options);
  const look = (only: readonly string[] | null, progress: VerifyProgress | null = null) =>
    verifyAll(context.source, planning.sinks, () => alignFor(options), { ...more, only, progress });
  const report = await look(more.only, options.progress);
  const compared = more.repair ? report : await lookAgain(report, fetching(planning), (only) => look(only));
  if (more.only !== null) return compared;
  const trees = await verifyTrees(options.pipeline, planning.sinks, options.locked);
  return { ...compared, trees, equal: compared.equal && trees.length === 0 };
}

function fetching({ sinks }: Planning): ReadonlySet<string> {
  const plans = sinks.flatMap((sink) => sink.plans).filter((plan) => plan.refetch === true);
  return new Set(plans.map((plan) => relationName(plan.source)));
}

function alignFor({ pipeline, locked, patience }: VerifyPipelineOptions): Promise<Aligned> {
  const { context, instances, chain } = pipeline;
  if (context.state.head?.phase === 'done') return Promise.resolve(alignNow());
  if (locked) return alignHere(pipeline);
  const behind = chain === undefined ? {} : { behind: chain };
  return alignThere(context, reportsIn(instances.store), { patience: patience ?? 600_000, ...behind });
}

function refuseRepair({ pipeline: { context, chain }, locked }: VerifyPipelineOptions): void {
  if (chain !== undefined) throw verifyError('PGS7007', 'through a journal rows are not copied again');
  if (!locked) throw verifyError('PGS7006', 'a run of this pipeline is under way in another process');
  const phase = context.state.head?.phase;
  if (phase !== 'stream') throw verifyError('PGS7007', 'the pipeline is cut over: which side is right is not known');
}
