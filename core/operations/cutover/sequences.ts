import type { SequenceDifference } from '../../api/sink.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import type { Planning } from '../../pipeline/open/planning.ts';

export interface SequenceFinding extends SequenceDifference {
  /** Name of the sink. */
  readonly sink: string;
}

/**
 * Sets the sequences of every target that is a database, reads them back and returns those that differ from the source.
 * An insert into a target with such a sequence could collide or continue at another number.
 */
export async function carrySequences(
  context: RunContext,
  planning: Planning,
  say: (words: string) => void,
): Promise<readonly SequenceFinding[]> {
  const states = (await context.source.schema?.sequences(context.stop)) ?? [];
  const findings: SequenceFinding[] = [];
  for (const { sink, plans, name } of planning.sinks) {
    if (!sink.cutover) continue;
    const set = await sink.cutover.setSequences(states, plans, context.stop);
    const not = set.filter((words) => words.includes('nothing set'));
    say(`${name}: ${set.length - not.length} sequences set`);
    const differences = await sink.cutover.compareSequences(states, plans, context.stop);
    findings.push(...differences.map((difference) => ({ ...difference, sink: name })));
  }
  return findings;
}

/** One line per sequence, with its statement. */
export function sequenceLines(findings: readonly SequenceFinding[]): readonly string[] {
  return findings.map(({ sink, sequence, what, remedy }) => {
    const mend = remedy === null ? '' : ` → ${remedy}`;
    return `${sink}: sequence ${sequence} ${what}${mend}`;
  });
}

/** One line per object that the targets never got. */
export async function leftOutLines(context: RunContext, planning: Planning): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const { sink, name } of planning.sinks) {
    for (const { what, why } of (await sink.cutover?.leftOut?.(context.stop)) ?? [])
      lines.push(`${name}: left out of the target: ${what} (${why})`);
  }
  return lines;
}
