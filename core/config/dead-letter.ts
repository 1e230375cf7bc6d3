import { resolve } from 'node:path';
import type { Options } from '../registry/options-schema.ts';
import type { DeadLetterConfig, SinkUse } from './pipeline-config.ts';
import type { TreeProblem, YamlTree } from './yaml-tree.ts';

interface Context {
  readonly directory: string;
  readonly tree: YamlTree;
  /** Problems are added to it. */
  readonly problems: TreeProblem[];
}

/** One of file and topic; a topic needs a sink that has topics. */
export function deadLetterOf(value: unknown, sinks: readonly SinkUse[], context: Context): DeadLetterConfig | null {
  if (typeof value !== 'object' || value === null) return null;
  const { file, topic, max_failures, window } = value as Options;
  const { directory, tree, problems } = context;
  const refuse = (pointer: string, message: string) =>
    problems.push({ code: 'PGS1014', message, ...tree.keyAt(`/dead_letter${pointer}`) });
  if ((file === undefined) === (topic === undefined)) refuse('', '"dead_letter" needs one of "file" and "topic"');
  else if (topic !== undefined && sinks.length > 0 && !sinks.some(({ plugin }) => plugin.deadLetterTopics === true)) {
    refuse('/topic', 'no sink of this file has topics; "dead_letter: { file: … }" is enough here');
  }
  return {
    // A value of the wrong type has been reported already.
    file: typeof file === 'string' ? resolve(directory, file) : null,
    topic: typeof topic === 'string' ? topic : null,
    maxFailures: max_failures as number,
    window: window as number,
  };
}
