import type { ErrorWhere } from '../base/error.ts';
import { PipelineFileError, formatProblem } from '../config/problem.ts';
import { redact } from '../base/redact.ts';
import { isPgsluiceError } from '../registry/call.ts';
import { cliError } from './errors.ts';

const places: readonly (readonly [keyof ErrorWhere, string])[] = [
  ['connection', 'connection'],
  ['table', 'table'],
  ['object', 'object'],
  ['lsn', 'LSN'],
  ['sqlstate', 'SQLSTATE'],
  ['chunk', 'chunk'],
  ['plugin', 'plugin'],
];

/** What goes to stderr: `PGS1204 what (where) – what to do`, or a line per problem of a pipeline file. With debug: stack and causes. */
export function renderError(error: unknown, debug: boolean): string {
  const lines = error instanceof PipelineFileError ? error.problems.map(formatProblem) : errorLines(error);
  if (debug) lines.push(...stacks(error));
  return `${lines.map((line) => redact(line)).join('\n')}\n`;
}

/** At most so many problems are printed; a mistake in a filter on all tables is a problem of each table. */
const mostShown = 100;

/** One line per error of an AggregateError (see allOf), otherwise the one line of the error. */
function errorLines(error: unknown): string[] {
  const all = isPgsluiceError(error) && error.cause instanceof AggregateError ? error.cause.errors : [];
  if (all.length === 0 || !all.every(isPgsluiceError)) return [errorLine(error)];
  const lines = all.slice(0, mostShown).map(errorLine);
  if (all.length > mostShown) lines.push(`and ${all.length - mostShown} more`);
  return lines;
}

/** Exit code of an error; 1 for an unexpected one. */
export function exitCode(error: unknown): number {
  return isPgsluiceError(error) ? error.exit : 1;
}

/** The one line of an error. */
export function errorLine(error: unknown): string {
  if (!isPgsluiceError(error)) return errorLine(unexpected(error));
  const where = places.flatMap(([key, name]) =>
    error.where[key] === undefined ? [] : [`${name} ${error.where[key]}`],
  );
  const place = where.length === 0 ? '' : ` (${where.join(', ')})`;
  const remedy = error.remedy === '' ? '' : ` – ${error.remedy}`;
  const step = error.where.step === undefined ? '' : `${error.where.step}: `;
  return oneLine(`${error.code} ${step}${error.message}${place}${remedy}`);
}

function unexpected(error: unknown): unknown {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return cliError('PGS1190', `unexpected error: ${what}`, { cause: error });
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ');
}

function stacks(error: unknown): string[] {
  const lines: string[] = [];
  let at: unknown = error;
  for (let depth = 0; at !== undefined && at !== null && depth < 10; depth++) {
    const text = at instanceof Error ? (at.stack ?? String(at)) : String(at);
    lines.push(depth === 0 ? text : `caused by: ${text}`);
    at = at instanceof Error ? at.cause : undefined;
  }
  return lines;
}
