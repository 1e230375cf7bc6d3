import type { CheckReport, Finding } from '../api/check.ts';
import { PgsluiceError } from '../api/error.ts';
import type { PipelineConfig } from '../config/pipeline-config.ts';
import type { Instances, RunContext } from './instances.ts';
import { planSinks } from './planning.ts';

/** Asks source and sinks for their findings; what keeps one of them from being asked is a finding, too. */
export async function runChecks(
  context: RunContext,
  instances: Instances,
  config: PipelineConfig,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const report: CheckReport = { add: (finding) => void findings.push(finding) };
  await asFinding(findings, 'source', () => context.source.check(report, context.stop));
  await asFinding(findings, 'plan', async () => {
    const catalog = await context.source.catalog(context.stop);
    const planning = await planSinks(instances.sinks, catalog, config.snapshot.mode !== 'initial_only', context.stop);
    for (const sink of planning.sinks) {
      await asFinding(findings, `sink ${sink.name}`, () => sink.sink.check(sink.plans, report, context.stop));
    }
  });
  return findings;
}

async function asFinding(findings: Finding[], subject: string, ask: () => Promise<void>): Promise<void> {
  try {
    await ask();
  } catch (error) {
    if (!(error instanceof PgsluiceError)) throw error;
    const all = error.cause instanceof AggregateError ? (error.cause.errors as PgsluiceError[]) : [error];
    for (const { code, message, remedy, where } of all) {
      findings.push({ check: code.toLowerCase(), level: 'error', subject: where.table ?? subject, message, remedy });
    }
  }
}
