import type { CheckpointStore } from '../../api/checkpoint.ts';
import type { PluginContext } from '../../api/context.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Logger } from '../../base/logger.ts';
import type { PgsluiceError } from '../../base/error.ts';
import type { Transform } from '../../api/transform.ts';
import type { PipelineConfig, TransformUse } from '../../config/pipeline-config.ts';
import { labelled } from '../../base/no-metrics.ts';
import { callPlugin, guarded, isPgsluiceError } from '../../registry/call.ts';
import { PipelineDeadLetters } from '../dead-letters/dead-letters.ts';
import { runtimeError } from '../errors.ts';
import { rowExpressions } from '../plan/row-expressions.ts';
import { placeError } from './place-error.ts';
import type { Instances, SinkInstance, TransformStep } from './instances.ts';

export interface AssembleOptions {
  readonly config: PipelineConfig;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly debugValues: boolean;
}

/** Creates everything that the file names; after a failure, what was created is disposed of again. */
export async function assemble(options: AssembleOptions): Promise<Instances> {
  const { config } = options;
  const made = new AsyncDisposableStack();
  try {
    const source = made.use(
      await create(config.source, () =>
        config.source.plugin.create(config.source.options as never, context(options, 'source')),
      ),
    );
    const common = await steps(options, config.transforms);
    const shared = source.shared === true ? ({ shared: true } as const) : {};
    const sinks: SinkInstance[] = [];
    const deadLetters = deadLettersFor(options, sinks);
    for (const use of config.sinks) {
      const letters = deadLetters === null ? {} : { deadLetters: deadLetters.of(use.name) };
      const sink = made.use(
        await create(use, () =>
          use.plugin.create(use.options as never, {
            ...context(options, use.name),
            ...letters,
            ...shared,
            expressions: rowExpressions,
          }),
        ),
      );
      const own = await steps(options, use.transforms);
      const { name, tables, buffer } = use;
      sinks.push({ name, plugin: use.plugin.name, sink, tables, steps: [...common, ...own], buffer });
    }
    const store = made.use(await createStore(options));
    if (deadLetters !== null) made.use(deadLetters);
    const all = made.move();
    return { source, sinks, store, deadLetters, [Symbol.asyncDispose]: () => all.disposeAsync() };
  } catch (error) {
    await made.disposeAsync();
    throw error;
  }
}

/** Null if the file has no `dead_letter`. A topic belongs to the first sink that has topics. */
function deadLettersFor({ config, log }: AssembleOptions, sinks: readonly SinkInstance[]): PipelineDeadLetters | null {
  const { pipeline, deadLetter } = config;
  if (deadLetter === null) return null;
  const at = config.sinks.findIndex(({ plugin }) => plugin.deadLetterTopics === true);
  const topic = async (name: string) => {
    const sink = sinks[at]?.sink;
    if (sink?.deadLetterTopic === undefined) throw runtimeError('PGS6041', `no sink has a topic ${name}`);
    return sink.deadLetterTopic(name);
  };
  return new PipelineDeadLetters({ pipeline, config: deadLetter, log, topic });
}

export function createStore(options: AssembleOptions): Promise<CheckpointStore> {
  const { checkpoint } = options.config;
  if (checkpoint === null) throw runtimeError('PGS6009', 'the file names no checkpoint and no plugin offers one');
  return create(checkpoint, () =>
    checkpoint.plugin.create(checkpoint.options as never, context(options, 'checkpoint')),
  );
}

/** Every call of an instance goes through the wrapper that names the plugin in errors. */
async function create<T extends object>(
  use: { readonly plugin: { readonly name: string } },
  make: () => Promise<T>,
): Promise<T> {
  const callee = { plugin: use.plugin.name };
  return guarded(await callPlugin(callee, 'create', make), callee);
}

async function steps(options: AssembleOptions, uses: readonly TransformUse[]): Promise<readonly TransformStep[]> {
  const made: TransformStep[] = [];
  for (const use of uses) {
    const place = (error: PgsluiceError) => placeError(error, use, options.config);
    const transform: Transform = await callPlugin({ plugin: use.plugin.name }, 'create', async () => {
      try {
        return await use.plugin.create(use.options as never, context(options, use.label));
      } catch (error) {
        throw isPgsluiceError(error) ? place(error) : error;
      }
    });
    made.push({ transform, tables: use.tables, label: use.label, place });
  }
  return made;
}

function context(options: AssembleOptions, name: string): PluginContext {
  const { config, log, metrics, debugValues } = options;
  return {
    pipeline: config.pipeline,
    name,
    directory: config.directory,
    log: log.child({ plugin: name }),
    metrics: labelled(metrics, { plugin: name }),
    debugValues,
  };
}
