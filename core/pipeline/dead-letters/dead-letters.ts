import type { Logger } from '../../base/logger.ts';
import type { DeadLetters, DeadLetterStore, Refused } from '../../api/dead-letter.ts';
import type { ErrorWhere, PgsluiceError } from '../../base/error.ts';
import { failpoint } from '../../base/failpoint.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import { relationName } from '../../postgres/relation.ts';
import type { DeadLetterConfig } from '../../config/pipeline-config.ts';
import { isPgsluiceError } from '../../registry/call.ts';
import { runtimeError } from '../errors.ts';
import { FileStore } from './file-store.ts';
import { letterOf } from './letter.ts';
import { Threshold } from './threshold.ts';

export interface DeadLetterOptions {
  readonly pipeline: string;
  readonly config: DeadLetterConfig;
  readonly log: Logger;
  /** Opens the topic; called once, for the first letter. */
  readonly topic: (name: string) => Promise<DeadLetterStore>;
}

/** The dead letters of a pipeline: one store, and a threshold for each sink. */
export class PipelineDeadLetters implements AsyncDisposable {
  readonly #options: DeadLetterOptions;
  #store: Promise<DeadLetterStore> | null = null;
  /** Sinks, and lanes of one sink, write at the same time; a store takes one write after the other. */
  #last: Promise<unknown> = Promise.resolve();
  /** Called for recorded letters, to count them. */
  onRecorded: (sink: string, count: number) => void = () => {};

  constructor(options: DeadLetterOptions) {
    this.#options = options;
  }

  /** The interface for one sink. */
  of(sink: string): DeadLetters {
    const { config } = this.#options;
    const threshold = new Threshold(config);
    return {
      passed: (count) => threshold.passed(count),
      refuse: async (refused) => {
        for (const one of refused) if (!threshold.fail()) throw tooMany(sink, config, one);
        const recorded = this.#last.then(() => this.#record(sink, refused));
        this.#last = recorded.catch(() => {});
        await recorded;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const store = this.#store;
    this.#store = null;
    await (await store?.catch(() => null))?.[Symbol.asyncDispose]();
  }

  async #record(sink: string, refused: readonly Refused[]): Promise<void> {
    const { pipeline, log } = this.#options;
    const at = new Date();
    const letters = refused.map((one) => letterOf(one, { pipeline, sink, at }));
    try {
      const store = await (this.#store ??= this.#open());
      await store.write(letters);
    } catch (cause) {
      await this[Symbol.asyncDispose]().catch(() => {});
      if (isPgsluiceError(cause)) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw runtimeError('PGS6041', `${refused.length} dead letters of sink ${sink} cannot be recorded: ${why}`, {
        cause,
        where: { connection: sink },
      });
    }
    this.onRecorded(sink, letters.length);
    failpoint('dead-letters-recorded');
    for (const { change, error } of refused) {
      const { code, message } = error;
      log.log('warn', 'dead-letter', message, { sink, code, ...whereOf(change, error) });
    }
  }

  async #open(): Promise<DeadLetterStore> {
    const { config, topic } = this.#options;
    return config.topic === null ? new FileStore(config.file as string) : topic(config.topic);
  }
}

function tooMany(sink: string, config: DeadLetterConfig, last: Refused): PgsluiceError {
  const { error } = last;
  const { maxFailures, window } = config;
  const message = `more than ${maxFailures} of the last ${window} changes of sink ${sink} failed; the last: ${error.code} ${error.message}`;
  const where: ErrorWhere = { ...error.where, ...whereOf(last.change, error) };
  return runtimeError('PGS6040', message, { where, cause: error });
}

function whereOf(change: Refused['change'], error: PgsluiceError): { table: string; lsn?: string } {
  const table = error.where.table ?? relationName(change.relation);
  return 'lsn' in change ? { table, lsn: formatLsn(change.lsn) } : { table };
}
