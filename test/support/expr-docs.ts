import { entries } from '../../core/expr/registry.ts';
import { forbiddenFunctions } from '../../core/expr/forbidden.ts';
import { numberPatterns } from '../../core/expr/functions/to-char-number.ts';
import { toCharPatterns } from '../../core/expr/functions/to-char.ts';

const start = '<!-- generated from the function table -->';
const end = '<!-- end of the generated part -->';

/** The tables of docs/expressions.md, from the function table itself. */
export function generatedTables(): string {
  const byName = new Map<string, { args: string[]; results: Set<string>; pushed: Set<boolean> }>();
  for (const entry of entries) {
    if (entry.form === 'special' || entry.result === null) continue;
    const known = byName.get(entry.name) ?? { args: [], results: new Set<string>(), pushed: new Set<boolean>() };
    known.args.push(entry.args.join(', '));
    known.results.add(entry.result);
    known.pushed.add(entry.immutable);
    byName.set(entry.name, known);
  }
  const lines = (operator: boolean): string[] =>
    [...byName]
      .filter(([name]) => /^[^a-z]/.test(name) === operator)
      .map(([name, { args, results, pushed }]) => {
        const shown =
          args.length > 6 ? `${args.slice(0, 5).join(' · ')} · … (${args.length} in all)` : args.join(' · ');
        const code = `\`${name.replaceAll('|', '\\|')}\``;
        return `| ${code} | ${shown} | ${results.size > 3 ? 'as its arguments' : [...results].join(', ')} | ${pushed.size > 1 ? 'partly' : pushed.has(true) ? 'yes' : 'no'} |`;
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
    `Patterns of \`to_char\` for timestamps: ${toCharPatterns.map((name) => `\`${name}\``).join(', ')}.`,
    '',
    `Patterns of \`to_char\` for integer, bigint and numeric: ${numberPatterns.map((name) => `\`${name}\``).join(', ')}, and other text in double quotes. \`FM\` comes first, \`MI\` first or last; after \`.\` there are digits. What a locale shapes (\`D\`, \`G\`, \`L\`, \`S\`) is refused; smallint and floats need a cast.`,
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
