import type { CheckReport, Finding } from '../../api/check.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { ExitCode } from '../../base/exit-codes.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { checkErrors } from './check-errors.ts';
import { unsentValues } from './unsent-values.ts';
import { cannotStay, cannotStayFinding } from '../../pipeline/ddl/left-out.ts';
import type { Instances, RunContext } from '../../pipeline/open/instances.ts';
import { allOf, planSinks } from '../../pipeline/open/planning.ts';
import { readCatalog, type SourceCatalog } from '../../api/source.ts';

/** Asks source and sinks for their findings; an error that prevents one of them from answering is a finding, too. */
export async function runChecks(
  context: RunContext,
  instances: Instances,
  config: PipelineConfig,
): Promise<readonly Finding[]> {
  const catalog = readCatalog(context.source, context.stop);
  return ask({ context, instances, config, catalog }, async (subject, found, question) => {
    try {
      await question();
    } catch (error) {
      found.push(...findingsOf(error, subject));
    }
  });
}

export interface PreflightOptions {
  readonly context: RunContext;
  readonly instances: Instances;
  readonly config: PipelineConfig;
  /** Names of checks whose findings do not count. */
  readonly skip: readonly string[];
}

/** At most so many errors of one preflight are listed. */
const mostShown = 50;

/**
 * The checks before a first start creates anything; a pipeline that is under way has passed them. Throws all errors at
 * once; an error that prevents a check from running (an unreachable server, an invalid pattern) is thrown as it is.
 * Returns the catalog that was checked, null if no check ran.
 */
export async function preflight(options: PreflightOptions): Promise<SourceCatalog | null> {
  const { context, skip } = options;
  const { head } = context.state;
  if (head !== null && head.phase !== 'starting') return null;
  const catalog = readCatalog(context.source, context.stop);
  const findings = await ask({ ...options, catalog }, (_subject, _found, question) => question());
  const counted = findings.filter(({ check }) => !skip.includes(check));
  for (const finding of counted) if (finding.level === 'warning') warn(context, finding);
  const errors = counted.filter(({ level }) => level === 'error');
  if (errors.length === 0) return catalog;
  const exits = new Set(errors.map(({ exit }) => exit ?? 3));
  const exit = exits.size === 1 ? [...exits][0]! : 3;
  const lines = errors.slice(0, mostShown).map((finding) => errorOf(finding, exit));
  if (errors.length > mostShown) {
    const message = `${errors.length - mostShown} more errors were found; pgsluice check ${options.config.file} shows them`;
    lines.push(new PgsluiceError('PGS6030', { ...checkErrors.PGS6030, exit, remedy: '' }, message));
  }
  throw allOf(lines);
}

type Ask = (subject: string, found: Finding[], question: () => Promise<void>) => Promise<void>;

interface Asked extends Omit<PreflightOptions, 'skip'> {
  /** Read once for all of them: with thousands of tables it takes a while. */
  readonly catalog: Promise<SourceCatalog>;
}

/** Source and sinks at the same time: with thousands of tables either takes a while. The source's findings come first. */
async function ask({ context, instances, config, catalog: reading }: Asked, asked: Ask): Promise<readonly Finding[]> {
  const { source, stop } = context;
  const ofSource: Finding[] = [];
  const ofSinks: Finding[] = [];
  const both = await Promise.allSettled([
    asked('source', ofSource, async () => {
      // A source's own check says more about a problem with its catalog than the error of reading the catalog does.
      await source.check?.(reportTo(ofSource), stop, await reading.catch(() => undefined));
      if (config.ddl === 'follow') await source.ddl?.check(reportTo(ofSource), stop);
    }),
    asked('plan', ofSinks, async () => {
      const copies = config.snapshot.mode !== 'never';
      const catalog = await reading;
      const planning = await planSinks(instances.sinks, catalog, config.snapshot.mode !== 'initial_only', stop);
      const fresh = (context.state.head?.phase ?? 'starting') === 'starting';
      for (const sink of planning.sinks) {
        await asked(`sink ${sink.name}`, ofSinks, async () =>
          sink.sink.check?.(sink.plans, reportTo(ofSinks), stop, copies),
        );
        if (config.snapshot.mode !== 'initial_only') ofSinks.push(...unsentValues(sink.name, sink.plans));
        if (!fresh) continue;
        const { schema } = source;
        if (sink.sink.checkSurroundings !== undefined && schema !== undefined) {
          await asked(`sink ${sink.name}`, ofSinks, async () =>
            sink.sink.checkSurroundings!(await schema.surroundings(stop, catalog), reportTo(ofSinks), stop, sink.plans),
          );
        }
        await asked(`sink ${sink.name}`, ofSinks, async () => {
          for (const lost of await cannotStay(source, sink, catalog, stop)) ofSinks.push(cannotStayFinding(sink, lost));
        });
      }
    }),
  ]);
  for (const one of both) if (one.status === 'rejected') throw one.reason;
  return [...ofSource, ...ofSinks];
}

function reportTo(findings: Finding[]): CheckReport {
  return { add: (finding) => void findings.push(finding) };
}

function findingsOf(error: unknown, subject: string): Finding[] {
  if (!(error instanceof PgsluiceError)) throw error;
  const all = error.cause instanceof AggregateError ? (error.cause.errors as PgsluiceError[]) : [error];
  return all.map(({ code, message, remedy, where, statements }) => {
    const found = { check: code.toLowerCase(), subject: where.table ?? subject, message, remedy, code };
    return { ...found, level: 'error', ...(statements === null ? {} : { statements }) };
  });
}

function warn({ log }: RunContext, { check, subject, message, remedy }: Finding): void {
  const advice = remedy === null ? '' : ` – ${remedy}`;
  log.log('warn', 'preflight-warning', `${message}${advice}`, { check, subject });
}

function errorOf(finding: Finding, exit: ExitCode): PgsluiceError {
  const { check, subject, message, code, remedy } = finding;
  const isTable = subject.includes('.');
  const where = isTable ? { table: subject } : { connection: subject.replace(/^sink /, '') };
  const spec = { ...checkErrors.PGS6030, exit };
  return new PgsluiceError(code ?? 'PGS6030', spec, `check ${check}: ${message}`, {
    where,
    ...(remedy === null ? {} : { remedy }),
  });
}
