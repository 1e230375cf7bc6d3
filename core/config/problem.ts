import { PgsluiceError } from '../base/error.ts';
import { configErrors } from './errors.ts';

/** One finding in a pipeline file. Lines and columns count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly col: number;
  readonly code: string;
  readonly message: string;
}

export interface Position {
  readonly line: number;
  readonly col: number;
}

/** `FILE:LINE:COL: message (CODE)`: the form that editors and CI systems recognise. */
export function formatProblem(problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.col}: ${problem.message} (${problem.code})`;
}

/** In the order of the file, each once. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems
    .toSorted((a, b) => a.line - b.line || a.col - b.col)
    .filter((problem) => {
      const text = formatProblem(problem);
      if (seen.has(text)) return false;
      seen.add(text);
      return true;
    });
}

/** All problems of a file as one error, for verbs that need a good file. */
export class PipelineFileError extends PgsluiceError {
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    const count = `${problems.length} problem${problems.length === 1 ? '' : 's'}`;
    super('PGS1015', configErrors.PGS1015, `${file} has ${count}`, {});
    this.problems = problems;
  }
}
