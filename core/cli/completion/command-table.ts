import type { Command, Option } from 'commander';

/** The command line as data, read from the verbs as they are registered: for completion and the manual page. */
export interface CommandTable {
  readonly description: string;
  /** Options that every verb has. */
  readonly options: readonly OptionEntry[];
  readonly verbs: readonly VerbEntry[];
}

export interface VerbEntry {
  readonly name: string;
  readonly description: string;
  readonly arguments: readonly ArgumentEntry[];
  readonly options: readonly OptionEntry[];
}

export interface ArgumentEntry {
  /** As help shows it: `<file>`, `[table...]`. */
  readonly usage: string;
  /** Where there are only some values; else empty. */
  readonly choices: readonly string[];
}

export interface OptionEntry {
  /** As help shows it: `--stop-at <lsn>`. */
  readonly flags: string;
  /** `--stop-at`, and `-h` where there is a short form. */
  readonly names: readonly string[];
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly description: string;
}

/** The table of a program that has all verbs registered. */
export function commandTable(program: Command): CommandTable {
  return {
    description: program.description(),
    options: [...program.options.map(optionEntry), helpEntry],
    verbs: program.commands.map((verb) => ({
      name: verb.name(),
      description: verb.description(),
      arguments: verb.registeredArguments.map((argument) => {
        const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
        return { usage: argument.required ? `<${name}>` : `[${name}]`, choices: argument.argChoices ?? [] };
      }),
      options: verb.options.filter(({ hidden }) => !hidden).map(optionEntry),
    })),
  };
}

const helpEntry: OptionEntry = {
  flags: '-h, --help',
  names: ['-h', '--help'],
  takesValue: false,
  choices: [],
  description: 'show help',
};

function optionEntry(option: Option): OptionEntry {
  const names = [option.short, option.long].filter((name): name is string => typeof name === 'string');
  const takesValue = option.required || option.optional;
  return { flags: option.flags, names, takesValue, choices: option.argChoices ?? [], description: option.description };
}
