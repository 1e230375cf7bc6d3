import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ConfigCode } from './errors.ts';

export interface InterpolationFailure {
  readonly code: ConfigCode;
  readonly message: string;
  /** The reference as written in the file, to find its column. */
  readonly reference: string;
}
export interface Interpolation {
  readonly text: string;
  /** At least one reference was replaced. */
  readonly replaced: boolean;
  readonly failures: readonly InterpolationFailure[];
  /** Values from outside the file, by their reference; they must not appear in a message (I11). */
  readonly secrets: ReadonlyMap<string, string>;
}

const reference = /\$\$\{|\$\{([^}]*)\}|\$\{/g;
const variable = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Replaces `${NAME}`, `${NAME:-default}` (also when the variable is set but empty, as in a shell) and `${file:PATH}`
 * (one trailing line end removed); `$${` stands for `${`. Works on the text of one scalar, so a value can never change
 * the structure of the file. Replaced text is not interpolated again.
 */
export function interpolate(text: string, env: NodeJS.ProcessEnv, directory: string): Interpolation {
  const failures: InterpolationFailure[] = [];
  const secrets = new Map<string, string>();
  let replaced = false;
  const result = text.replace(reference, (whole: string, inside: string | undefined) => {
    if (whole === '$${') return '${';
    const found = lookUp(inside, whole, env, directory);
    if (typeof found !== 'string') {
      failures.push(found);
      return whole;
    }
    replaced = true;
    secrets.set(found, inside!.startsWith('file:') ? whole : `\${${variable.exec(inside!)![1]}}`);
    return found;
  });
  return { text: result, replaced, failures, secrets };
}

function lookUp(
  inside: string | undefined,
  whole: string,
  env: NodeJS.ProcessEnv,
  directory: string,
): string | InterpolationFailure {
  if (inside === undefined) return { code: 'PGS1010', reference: whole, message: 'reference without a closing brace' };
  if (inside.startsWith('file:')) return fromFile(inside.slice('file:'.length), whole, directory);
  const match = variable.exec(inside);
  if (match === null) {
    return {
      code: 'PGS1010',
      reference: whole,
      message: `unknown reference ${whole}; known: \${NAME}, \${NAME:-default}, \${file:/path}`,
    };
  }
  const name = match[1]!;
  const value = env[name];
  if (value !== undefined && (value !== '' || match[2] === undefined)) return value;
  return match[2] ?? { code: 'PGS1009', reference: whole, message: `variable ${name} is not set` };
}

function fromFile(path: string, whole: string, directory: string): string | InterpolationFailure {
  if (path === '') return { code: 'PGS1010', reference: whole, message: `reference ${whole} names no file` };
  try {
    return readFileSync(resolve(directory, path), 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    return { code: 'PGS1011', reference: whole, message: `cannot read ${path} (${code})` };
  }
}
