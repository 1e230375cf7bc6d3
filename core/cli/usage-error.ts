import type { CommanderError } from 'commander';
import type { PgsluiceError } from '../base/error.ts';
import { suggest } from '../base/suggest.ts';
import { cliError } from './errors.ts';

const codes: Readonly<Record<string, 'PGS1101' | 'PGS1102' | 'PGS1103' | 'PGS1104'>> = {
  'commander.unknownCommand': 'PGS1101',
  'commander.unknownOption': 'PGS1102',
  'commander.missingArgument': 'PGS1103',
  'commander.optionMissingArgument': 'PGS1103',
  'commander.missingMandatoryOptionValue': 'PGS1103',
};

/** commander's refusal of a command line as an error of ours; null where it only printed help or the version. */
export function usageError(error: CommanderError, verbs: readonly string[]): PgsluiceError | null {
  if (error.exitCode === 0 || error.code === 'commander.help') return null;
  const message = error.message
    .replace(/^error: /, '')
    .replace(/\n?\(Did you mean (one of )?(.*?)\?\)$/s, '; did you mean $2?')
    .trim();
  const code = codes[error.code] ?? 'PGS1104';
  const word = /^unknown command '(.*)'/.exec(message)?.[1];
  const near = word === undefined || message.includes('did you mean') ? null : suggest(word, verbs);
  return cliError(code, near === null ? message : `${message}; did you mean ${near}?`);
}
