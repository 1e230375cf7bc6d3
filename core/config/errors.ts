import { errorFactory } from '../base/error.ts';

/** PGS10xx: the pipeline file. */
export const configErrors = {
  PGS1001: {
    title: 'Pipeline file cannot be read',
    cause: 'There is no file of this name, it is a folder, or it may not be read.',
    remedy: 'Check the path; `pgsluice init` writes a first file.',
    exit: 2,
    retry: 'never',
  },
  PGS1002: {
    title: 'Malformed YAML',
    cause: 'The file is not valid YAML 1.2, or holds more than one document.',
    remedy: 'Mend the line that the message names; indentation is by spaces.',
    exit: 2,
    retry: 'never',
  },
  PGS1003: {
    title: 'Key given twice',
    cause: 'A mapping has the same key more than once, so one of the two values would be lost.',
    remedy: 'Remove or rename one of them.',
    exit: 2,
    retry: 'never',
  },
  PGS1004: {
    title: 'Unknown key',
    cause: 'Neither pgsluice nor the plugin in use knows the key; nothing is ignored silently.',
    remedy: 'Correct or remove the key; `pgsluice plugins` lists the options.',
    exit: 2,
    retry: 'never',
  },
  PGS1005: {
    title: 'Missing key',
    cause: 'A key that has no default is not given.',
    remedy: 'Add the key.',
    exit: 2,
    retry: 'never',
  },
  PGS1006: {
    title: 'Wrong type',
    cause: 'The value has another type than the key asks for.',
    remedy: 'Give a value of the type that the message names.',
    exit: 2,
    retry: 'never',
  },
  PGS1007: {
    title: 'Value not allowed',
    cause: 'The value has the right type, but is outside of what the key allows.',
    remedy: 'Choose one of the allowed values.',
    exit: 2,
    retry: 'never',
  },
  PGS1008: {
    title: 'Size or duration without a usable unit',
    cause: 'Sizes are written as 64MB, 1.5GB or 512kB (powers of 1024), durations as 500ms, 30s, 5m, 2h or 1d.',
    remedy: 'Write the number with its unit.',
    exit: 2,
    retry: 'never',
  },
  PGS1009: {
    title: 'Variable not set',
    cause: 'The environment has no variable of the name in ${NAME}.',
    remedy: 'Set the variable, or give a default: ${NAME:-default}.',
    exit: 2,
    retry: 'never',
  },
  PGS1010: {
    title: 'Malformed ${…} reference',
    cause: 'Only ${NAME}, ${NAME:-default} and ${file:/path} are known.',
    remedy: 'Correct the reference, or write $${ for a literal ${.',
    exit: 2,
    retry: 'never',
  },
  PGS1011: {
    title: 'File of a ${file:…} reference cannot be read',
    cause: 'The file does not exist or may not be read; relative paths start at the pipeline file.',
    remedy: 'Check path and permissions.',
    exit: 2,
    retry: 'never',
  },
  PGS1012: {
    title: 'Unknown plugin',
    cause: 'The name is no built-in, no installed npm package and no path.',
    remedy: 'Correct the name; a path starts with ./ or ../ or /.',
    exit: 2,
    retry: 'never',
  },
  PGS1013: {
    title: 'Two sinks of one name',
    cause: 'Each sink keeps its state under its name, which is its plugin unless `name` says otherwise.',
    remedy: 'Give one of them another `name`.',
    exit: 2,
    retry: 'never',
  },
  PGS1014: {
    title: 'Keys that do not go together',
    cause: 'A key needs another one that is missing, or rules it out.',
    remedy: 'Follow the message.',
    exit: 2,
    retry: 'never',
  },
  PGS1016: {
    title: 'Not in this version',
    cause: 'The key is planned and known, but this version would ignore it.',
    remedy: 'Remove the key, or use a version that has it.',
    exit: 2,
    retry: 'never',
  },
  PGS1017: {
    title: 'Wrong test case',
    cause: 'A case of `tests:` names a column, type or sink that there is not, or is not complete.',
    remedy: 'Mend the case; docs/transforms.md shows the form.',
    exit: 2,
    retry: 'never',
  },
  PGS1015: {
    title: 'The pipeline file has problems',
    cause: 'One or more problems were found; each is printed with its line and column.',
    remedy: 'Mend the lines that are named.',
    exit: 2,
    retry: 'never',
  },
} as const;

export const configError = errorFactory(configErrors);
export type ConfigCode = keyof typeof configErrors;
