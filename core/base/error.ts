import type { ExitCode } from './exit-codes.ts';

/** A row of the table of error codes: the text for docs/errors.md, and how the runtime treats the error. */
export interface ErrorSpec {
  readonly title: string;
  readonly cause: string;
  readonly remedy: string;
  readonly exit: ExitCode;
  /**
   * `backoff`: the runtime tries again, a bounded number of times, from the last durable position. `text`: it tries
   * again at once, and asks for text where it had asked for binary values.
   */
  readonly retry: Retry;
  /** What the error means to code that can go on in spite of it, whichever plugin raised it. */
  readonly meaning?: Meaning;
}
/** How an error is treated, without its documentation. */
export type ErrorTreatment = Pick<ErrorSpec, 'remedy' | 'exit' | 'retry' | 'meaning'>;
/**
 * `nothing-chosen`: the file's patterns choose no table, or one of them matches none. `value-not-sent`: a value is
 * needed that an UPDATE left untouched and the source did not send (I7). `locked`: another process holds the pipeline.
 * `other-in-target`: the target refuses a change because its table is a different one. `stream-lost`: changes between
 * what the sinks have and what the source can still send are no longer available, so that only a comparison can
 * continue from here.
 */
export type Meaning = 'nothing-chosen' | 'value-not-sent' | 'locked' | 'other-in-target' | 'stream-lost';
export type Retry = 'never' | 'backoff' | 'text';
export type ErrorTable = Readonly<Record<`PGS${number}`, ErrorSpec>>;

/** Where it happened. All optional, all printed in this order; never a value of a row, never a password. */
export interface ErrorWhere {
  readonly connection?: string;
  readonly table?: string;
  readonly object?: string;
  readonly lsn?: string;
  readonly sqlstate?: string;
  readonly chunk?: string;
  readonly plugin?: string;
  /** The part of the file at fault, printed before the message: `transforms[0] filter`. */
  readonly step?: string | undefined;
}

/** The only error class that reaches a user: one line with what failed, where, and what to do. */
export class PgsluiceError extends Error {
  readonly code: string;
  readonly remedy: string;
  readonly exit: ExitCode;
  readonly retry: Retry;
  readonly where: ErrorWhere;
  readonly at: TextPosition | null;
  readonly within: TextError | null;
  readonly meaning: Meaning | null;
  /** The remedy as statements for the source server, if the remedy is nothing else. */
  readonly statements: readonly string[] | null;

  constructor(code: string, spec: ErrorTreatment, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'PgsluiceError';
    this.code = code;
    this.remedy = details.remedy ?? spec.remedy;
    this.exit = spec.exit;
    this.retry = spec.retry;
    this.where = details.where ?? {};
    this.at = details.at ?? null;
    this.within = details.within ?? null;
    this.meaning = spec.meaning ?? null;
    this.statements = details.statements ?? null;
  }
}
export interface ErrorDetails {
  readonly where?: ErrorWhere;
  /** Replaces the table's remedy where a more exact one is known. */
  readonly remedy?: string;
  readonly statements?: readonly string[];
  readonly cause?: unknown;
  /** Where in the text of a plugin's option the error is, so that it can be shown at its place in the pipeline file. */
  readonly at?: TextPosition;
  readonly within?: TextError;
}

/**
 * An error at a place in a parsed text, raised before it is known which option holds the text; the message repeats
 * place and text.
 */
export interface TextError {
  /** Line and column count from 1. */
  readonly line: number;
  readonly column: number;
  /** Without the place. */
  readonly message: string;
}

/** A place within the value of an option. Line and column count from 1. */
export interface TextPosition {
  /** The option's key, or its path as a JSON pointer: `where`, `/columns/total`. */
  readonly option: string;
  readonly line: number;
  readonly column: number;
}

/** The fields that {@link derived} replaces. */
export interface ErrorChanges extends ErrorDetails {
  readonly code?: string;
  readonly message?: string;
  readonly exit?: ExitCode;
  readonly retry?: Retry;
}

/** The error with some fields replaced; `where` is merged. The cause is the original error unless `cause` is given. */
export function derived(error: PgsluiceError, changes: ErrorChanges): PgsluiceError {
  const { code, message, exit, retry, ...details } = changes;
  const at = details.at ?? error.at;
  const within = message === undefined ? error.within : null;
  const treatment = {
    remedy: details.remedy ?? error.remedy,
    exit: exit ?? error.exit,
    retry: retry ?? error.retry,
    ...(error.meaning === null || error.meaning === undefined ? {} : { meaning: error.meaning }),
  };
  return new PgsluiceError(code ?? error.code, treatment, message ?? error.message, {
    where: { ...error.where, ...details.where },
    cause: 'cause' in details ? details.cause : error,
    ...(at === null || at === undefined ? {} : { at }),
    ...(within === null || within === undefined ? {} : { within }),
  });
}

/** Turns a table of codes into a function that makes errors of it; an unknown code does not compile. */
export function errorFactory<T extends ErrorTable>(
  table: T,
): (code: keyof T & string, message: string, details?: ErrorDetails) => PgsluiceError {
  return (code, message, details) => new PgsluiceError(code, table[code as keyof T] as ErrorSpec, message, details);
}
