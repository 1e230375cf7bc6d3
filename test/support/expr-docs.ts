import { entries } from '../../core/expr/registry.ts';
import { forbiddenFunctions } from '../../core/expr/forbidden.ts';
import { toCharPatterns } from '../../core/expr/functions/to-char.ts';

const start = '<!-- generated from the function table -->';
const end = '<!-- end of the generated part -->';

/** The tables of docs/expressions.md, from the function table itself. */
export function generatedTables(): string {
  const byName = new Map<string, { args: string[]; results: Set<string>; pushed: boolean }>();
  for (const entry of entries) {
    if (entry.form === 'special' || entry.result === null) continue;
    const known = byName.get(entry.name) ?? { args: [], results: new Set<string>(), pushed: true };
    known.args.push(entry.args.join(', '));
    known.results.add(entry.result);
    known.pushed &&= entry.immutable;
    byName.set(entry.name, known);
  }
  const lines = (operator: boolean): string[] =>
    [...byName]
      .filter(([name]) => /^[^a-z]/.test(name) === operator)
      .map(([name, { args, results, pushed }]) => {
        const shown =
          args.length > 6 ? `${args.slice(0, 5).join(' · ')} · … (${args.length} in all)` : args.join(' · ');
        const code = `\`${name.replaceAll('|', '\\|')}\``;
        return `| ${code} | ${shown} | ${results.size > 3 ? 'as its arguments' : [...results].join(', ')} | ${pushed ? 'yes' : 'no'} |`;
      });
  const head = (title: string): string => `| ${title} | arguments | result | immutable |\n|---|---|---|---|`;
  const refused = [...forbiddenFunctions].map(([name]) => `\`${name}\``).join(', ');
  return [
    start,
    '### Operators',
    head('operator'),
    ...lines(true),
    '',
    '### Functions',
    head('function'),
    ...lines(false),
    '',
    `Patterns of \`to_char\`: ${toCharPatterns.map((name) => `\`${name}\``).join(', ')}.`,
    '',
    `Refused by name, each with what to use instead: ${refused}.`,
    end,
  ].join('\n');
}

/** The page with its generated part replaced. */
export function withTables(page: string): string {
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from < 0 || to < 0) throw new Error('the page has no generated part');
  return page.slice(0, from) + generatedTables() + page.slice(to + end.length);
}
