import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtins } from '../../plugins/builtins.ts';

/** Messages of libraries that have no code of their own, or of the server, whose values must not be shown (I11). */
const readsMessages: readonly string[] = [
  'core/postgres/pg-error.ts',
  'core/postgres/safe-message.ts',
  'core/config/yaml-tree.ts',
  'core/cli/usage-error.ts',
];
/** Options of a source that core itself declares and reads. */
const ownOptions: ReadonlySet<string> = new Set(['tables', 'snapshot']);

export interface Known {
  readonly names: readonly string[];
  readonly codes: ReadonlySet<string>;
}

/** Core knows no plugin: no name of one, no option of one, no code of one, and no error by the words of its message. */
export async function checkCoreNames(root: string): Promise<string[]> {
  const plugins = await Promise.all(builtins.map(({ load }) => load()));
  const known = {
    names: [...new Set(plugins.map(({ name }) => name))],
    codes: new Set(
      plugins.flatMap(({ errors = {} }) => Object.keys(errors)).filter((code) => !coreCodes(root).has(code)),
    ),
  };
  return globSync('core/**/*.ts', { cwd: root })
    .toSorted()
    .flatMap((file) => pluginsNamed(file, readFileSync(join(root, file), 'utf8'), known));
}

/** Codes that are declared in core: a plugin may have them in its table, too. */
let declared: ReadonlySet<string> | null = null;
function coreCodes(root: string): ReadonlySet<string> {
  declared ??= new Set(
    globSync('core/**/errors.ts', { cwd: root }).flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/^ {2}(PGS\d{4}):/gm)].map(([, code]) => code!),
    ),
  );
  return declared;
}

/** Findings in one file of core; comments may name what they like. */
export function pluginsNamed(file: string, text: string, known: Known): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, (all) => all.replace(/[^\n]/g, ' ')).replace(/^\s*\/\/.*$/gm, '');
  const name = new RegExp(
    `plugin\\??['"\\]]*(?:\\.name)?\\s*(?:===|!==|:)\\s*['"](?:${known.names.join('|')})['"]|plugin: (?:${known.names.join('|')})\\b|load\\([^)\\n]*, ['"](?:${known.names.join('|')})['"]`,
  );
  return code.split('\n').flatMap((line, at) => {
    const found: string[] = [];
    const here = `${file}:${at + 1}: core knows no plugin`;
    if (name.test(line)) found.push(`${here}: ${line.trim()}`);
    for (const [one] of line.matchAll(/PGS\d{4}/g)) if (known.codes.has(one)) found.push(`${here}: code ${one}`);
    for (const [, option] of line.matchAll(/\boptions\[['"](\w+)['"]\]/g))
      if (!ownOptions.has(option!)) found.push(`${here}: option ${option}`);
    if (
      !readsMessages.includes(file) &&
      /\.message\.(?:match|startsWith|includes|search)\(|\.(?:test|exec)\((?:\w+\.)*message\)/.test(line)
    )
      found.push(`${file}:${at + 1}: an error is known by its code or fields, not by its message`);
    return found;
  });
}
