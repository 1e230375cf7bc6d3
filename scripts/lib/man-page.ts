import { exitCodes } from '../../core/base/exit-codes.ts';
import { wholeProgram } from '../../core/cli/main.ts';
import { type CommandTable, type OptionEntry, commandTable } from '../../core/cli/completion/command-table.ts';
import { builtins } from '../../plugins/builtins.ts';

export async function readCommandTable(): Promise<CommandTable> {
  return commandTable(await wholeProgram(builtins));
}

/** man/pgsluice.1, in the macros of man(7). No date and no version: it changes with the command line alone. */
export async function manPage(): Promise<string> {
  const { description, options, verbs } = await readCommandTable();
  const lines = [
    '.\\" Generated from the command line (node scripts/write-cli-pages.ts).',
    '.TH PGSLUICE 1 "" "" "User Commands"',
    '.SH NAME',
    `pgsluice \\- ${roff(description)}`,
    '.SH SYNOPSIS',
    '.B pgsluice',
    'VERB [\\fIFILE\\fR] [OPTION]...',
    '.SH OPTIONS OF EVERY VERB',
    ...options.flatMap(optionLines),
    '.SH VERBS',
    ...verbs.flatMap((verb) => {
      const usage = [verb.name, ...verb.arguments.map((argument) => argument.usage)].join(' ');
      return [`.SS ${roff(usage)}`, roff(verb.description), ...verb.options.flatMap(optionLines)];
    }),
    '.SH EXIT STATUS',
    ...Object.entries(exitCodes).flatMap(([code, meaning]) => ['.TP', `.B ${code}`, roff(meaning)]),
  ];
  return `${lines.join('\n')}\n`;
}

function optionLines({ flags, choices, description }: OptionEntry): string[] {
  const values = choices.length === 0 ? '' : ` (${choices.join(', ')})`;
  return ['.TP', `\\fB${roff(flags)}\\fR`, roff(`${description}${values}`)];
}

/** Text that roff prints as it is: no escapes, no requests at the start of a line, hyphens that can be copied. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
}
