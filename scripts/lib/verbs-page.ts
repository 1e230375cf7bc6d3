import { exitCodes } from '../../core/base/exit-codes.ts';
import type { OptionEntry } from '../../core/cli/completion/command-table.ts';
import { readCommandTable } from './man-page.ts';

/** docs/reference/verbs.md: every verb with its arguments and options, as the command line has them. */
export async function verbsPage(): Promise<string> {
  const { options, verbs } = await readCommandTable();
  const lines = [
    '# Verbs',
    '',
    'Generated from the command line (`node scripts/write-cli-pages.ts`); `pgsluice help VERB` prints the same.',
    '',
    '## Options of every verb',
    ...rows(options),
    '',
    '## Exit codes',
    '',
    '| code | |',
    '|---|---|',
    ...Object.entries(exitCodes).map(([code, meaning]) => `| ${code} | ${meaning} |`),
    ...verbs.flatMap((verb) => [
      '',
      `## ${verb.name}`,
      '',
      `\`pgsluice ${[verb.name, ...verb.arguments.map(({ usage }) => usage)].join(' ')}\`: ${cell(verb.description)}`,
      ...(verb.options.length === 0 ? [] : rows(verb.options)),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

function rows(options: readonly OptionEntry[]): string[] {
  const lines = options.map(({ flags, choices, description }) => {
    const values = choices.length === 0 ? '' : `: ${choices.map((choice) => `\`${choice}\``).join(', ')}`;
    return `| \`${flags}\` | ${cell(description)}${values} |`;
  });
  return ['', '| option | |', '|---|---|', ...lines];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
