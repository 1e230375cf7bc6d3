import type { ExitCode } from './exit-codes.ts';

/** A row of the table of codes: what stands in docs/errors.md, and how the runtime treats it. */
export interface ErrorSpec {
  readonly title: string;
  readonly cause: string;
  readonly remedy: string;
  readonly exit: ExitCode;
  /**
   * `backoff`: the runtime tries again, bounded, from the last durable position. `text`: it does so at once, and asks for
   * values as text where it had asked for bytes.
   */
  readonly retry: Retry;
  /** What the error means to whoever can go on in spite of it, whichever plugin it comes from. */
  readonly meaning?: Meaning;
}
/** What an error does, without the words of the page about it. */
export type ErrorTreatment = Pick<ErrorSpec, 'remedy' | 'exit' | 'retry' | 'meaning'>;
/**
 * `nothing-chosen`: the file's patterns choose no table, or one of them matches none. `value-not-sent`: a value is needed that
 * an UPDATE left untouched and the source did not send (I7). `locked`: another process holds the pipeline. `other-in-target`: the target
 * refuses a change, as the table is another one there. `stream-lost`: changes between what the sinks have and what the source can still send
 * are not to be had, so that only a comparison can go on from here.
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

/** The only error class that reaches a user: one line that says what, where and what to do. */
export class PgsluiceError extends Error {
  readonly code: string;
  readonly remedy: string;
  readonly exit: ExitCode;
  readonly retry: Retry;
  readonly where: ErrorWhere;
  readonly at: TextPosition | null;
  readonly within: TextError | null;
  readonly meaning: Meaning | null;
  /** The remedy as statements for the server of the source, where it is no more than that. */
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
  /** Overrides the table's remedy where something more exact is known. */
  readonly remedy?: string;
  readonly statements?: readonly string[];
  readonly cause?: unknown;
  /** Where in the text of a plugin's option the error is, so that it can be shown at its place in the pipeline file. */
  readonly at?: TextPosition;
  readonly within?: TextError;
}

/** An error at a place of a text that was parsed, before anybody knows in which option it stands; the message repeats both. */
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

/** What {@link derived} says otherwise. */
export interface ErrorChanges extends ErrorDetails {
  readonly code?: string;
  readonly message?: string;
  readonly exit?: ExitCode;
  readonly retry?: Retry;
}

/** The error with something said otherwise; `where` is added to its own. The cause is the error itself, unless one is given. */
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
