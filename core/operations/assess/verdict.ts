import type { SourceSurvey } from '../../api/assessment.ts';
import type { Finding } from '../../api/check.ts';
import { formatBytes } from '../../base/format.ts';
import type { Estimate, PathRates } from './estimate.ts';
import type { Uncovered } from '../coverage/uncovered.ts';
import type { Probe } from './probed.ts';

export interface Verdict {
  readonly verdict: 'GO' | 'GO WITH WORK' | 'NO-GO';
  readonly reasons: readonly Reason[];
}

export interface Reason {
  /** `blocks`: as things are, the migration cannot succeed. `work`: something is to be done or decided before. */
  readonly kind: 'blocks' | 'work';
  readonly what: string;
  readonly remedy: string | null;
}

export interface VerdictInput {
  readonly survey: SourceSurvey;
  readonly findings: readonly Finding[];
  readonly estimate: Estimate;
  readonly walRate: number;
  readonly rates: PathRates;
  readonly probe: Probe | null;
  /** What a cutover would not let pass. */
  readonly ahead: readonly Uncovered[];
}

/** Pure. An error that a remedy mends is work; one without, and a server that could not be asked, block. */
export function judge(input: VerdictInput): Verdict {
  const reasons = [
    ...walReasons(input),
    ...probeReasons(input),
    ...input.findings.flatMap(reasonOf),
    ...cutoverReasons(input),
  ];
  const blocked = reasons.some(({ kind }) => kind === 'blocks');
  const verdict = blocked ? 'NO-GO' : reasons.length > 0 ? 'GO WITH WORK' : 'GO';
  return { verdict, reasons: reasons.toSorted((a, b) => Number(b.kind === 'blocks') - Number(a.kind === 'blocks')) };
}

/** A copy that fails on trial would fail in a run. */
function probeReasons({ probe }: VerdictInput): Reason[] {
  if (probe === null || !('why' in probe.copy) || probe.copy.failed !== true) return [];
  return [{ kind: 'work', what: `the probe of the copy failed: ${probe.copy.why}`, remedy: null }];
}

/** Tables that are named for each reason. */
const named = 5;

/** One for all that the same stands in the way of. */
function cutoverReasons({ ahead }: VerdictInput): Reason[] {
  const names = Map.groupBy(ahead, ({ why }) => why);
  return [...names].map(([why, of]) => {
    const first = of.slice(0, named).map(({ name }) => name);
    const more = of.length > named ? ` and ${of.length - named} more` : '';
    const remedy = `Compare it in another way, then cut over with --accept ${first.join(' ')}${more}; or leave it out of the file.`;
    return { kind: 'work', what: `cutover: ${first.join(', ')}${more}: ${why}`, remedy };
  });
}

function reasonOf({ check, level, code, message, remedy }: Finding): Reason[] {
  if (level === 'ok') return [];
  // A finding that is called after its code tells that a question could not be asked.
  const notAsked = code !== undefined && check === code.toLowerCase();
  const blocks = level === 'error' && (notAsked || remedy === null);
  return [{ kind: blocks ? 'blocks' : 'work', what: `${check}: ${message}`, remedy }];
}

const said = { given: 'said', measured: 'measured', assumed: 'assumed' } as const;

function walReasons({ survey, estimate, walRate, rates }: VerdictInput): Reason[] {
  const reasons: Reason[] = [];
  if (estimate.catchUp === null) {
    const rate = `${formatBytes(walRate)} of WAL a second`;
    const path = `the ${formatBytes(rates.apply.bytes)} a second that the stream is ${said[rates.apply.by]} to take`;
    reasons.push({
      // An assumption does not forbid a migration.
      kind: rates.apply.by === 'assumed' ? 'work' : 'blocks',
      what: `the source writes ${rate}, not less than ${path}: it would never catch up`,
      remedy: 'Measure the rate of your path and give it with --apply-rate; copy in parts, or at a quieter time.',
    });
  }
  const { slotKeepsBytes } = survey;
  if (slotKeepsBytes !== null && estimate.walKept > slotKeepsBytes) {
    const wanted = Math.ceil((estimate.walKept * 2) / 1024 ** 2);
    reasons.push({
      kind: 'blocks',
      what: `about ${formatBytes(estimate.walKept)} of WAL pile up during the copy, and max_slot_wal_keep_size keeps ${formatBytes(slotKeepsBytes)}: the slot would be lost`,
      remedy: `ALTER SYSTEM SET max_slot_wal_keep_size = '${wanted}MB'; SELECT pg_reload_conf();`,
    });
  }
  return reasons;
}
