import type { Command } from 'commander';
import type { Logger } from '../base/logger.ts';
import type { PipelineConfig } from '../config/pipeline-config.ts';
import type { Registry } from '../registry/registry.ts';

/** Where a verb prints. `process.stdout` and `process.stderr`, or strings in tests. */
export type Output = NodeJS.WritableStream & { readonly columns?: number };

/** Options that every verb has. */
export interface GlobalOptions {
  /** Null: pretty on a terminal, JSON lines elsewhere. */
  readonly log: 'json' | 'pretty' | null;
  readonly debug: boolean;
  readonly debugValues: boolean;
  readonly color: boolean;
}

/** What a verb receives. */
export interface Cli {
  readonly registry: Registry;
  /** A program with every verb registered, for describing it, not for running it. */
  allVerbs(): Promise<Command>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** stdout is a terminal. */
  readonly isTTY: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** Options of the current invocation; available once the verb's action runs. */
  readonly options: GlobalOptions;
  /** Log lines to stdout (`run`, whose result they are) or to stderr (verbs that print a result of their own). */
  logger(to: 'stdout' | 'stderr'): Promise<Logger>;
  /** Throws a PipelineFileError, which prints all problems and ends with 2. */
  load(file: string): Promise<PipelineConfig>;
  /** The first SIGINT or SIGTERM aborts the signal; a second one ends the process with 130. */
  withSignals(run: (signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Sets the exit code for a verb that does not throw: findings are not errors of the program. */
  exit(code: 0 | 1 | 2 | 3 | 4): void;
}

/** A file of core/cli/verbs. */
export interface VerbModule {
  readonly register: (program: Command, cli: Cli) => void;
}

/** A verb as the list of verbs knows it, before its module is imported. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<VerbModule>;
}
