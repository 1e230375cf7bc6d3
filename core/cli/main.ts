import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import type { Logger } from '../base/logger.ts';
import { loadPipeline } from '../config/load.ts';
import { PipelineFileError } from '../config/problem.ts';
import { neverSettled } from '../registry/call.ts';
import { type Builtin, Registry } from '../registry/registry.ts';
import type { Cli, GlobalOptions } from './cli.ts';
import { cliError } from './errors.ts';
import { exitCode, renderError } from './render-error.ts';
import { withSignals } from './signals.ts';
import { usageError } from './usage-error.ts';
import { verbs } from './verbs.ts';

/**
 * The program. Sets `process.exitCode` and returns; errors are one line on stderr. The caller passes the built-in
 * plugins in, as core knows none.
 */
export async function main(argv: readonly string[], builtins: readonly Builtin[]): Promise<void> {
  const debug = argv.includes('--debug');
  const fail = (error: unknown) => {
    process.stderr.write(renderError(error, debug));
    process.exitCode = exitCode(error);
  };
  guardProcess(fail);
  let done = false;
  // The event loop is empty although the verb's promise is still pending: without this the process would exit with 0.
  process.once('beforeExit', () => {
    if (!done) fail(neverSettled() ?? cliError('PGS1191', 'ended without a result'));
  });
  try {
    await run(argv, builtins);
  } catch (error) {
    if (!(error instanceof CommanderError)) fail(error);
    else {
      const usage = usageError(
        error,
        verbs.map((verb) => verb.name),
      );
      if (usage !== null) fail(usage);
    }
  }
  done = true;
}

async function run(argv: readonly string[], builtins: readonly Builtin[]): Promise<void> {
  const program = newProgram();
  const called = verbOf(argv);
  if (called === null) program.configureOutput({ writeErr: (text) => process.stdout.write(text) });
  const cli = makeCli(program, new Registry(builtins));
  for (const verb of verbs) {
    if (called === verb.name || (argv.includes('help') && argv.includes(verb.name))) {
      (await verb.load()).register(program, cli);
    } else {
      program.command(verb.name).description(verb.summary);
    }
  }
  await program.parseAsync([...argv], { from: 'user' });
}

/** The program with every verb registered, to be described, not run. */
export function wholeProgram(builtins: readonly Builtin[]): Promise<Command> {
  return makeCli(newProgram(), new Registry(builtins)).allVerbs();
}

/** The program with the options that every verb has. */
function newProgram(): Command {
  const { version, description } = manifest();
  return new Command('pgsluice')
    .description(description)
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [verb]', 'show help for a verb')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .showSuggestionAfterError(true)
    .exitOverride()
    .addOption(new Option('--log <format>', 'log lines: json or pretty').choices(['json', 'pretty']))
    .option('--debug', 'show stacks and causes of errors, and debug log lines')
    .option('--debug-values', 'row values may appear in errors and logs')
    .option('--no-color', 'no colours');
}

/** The first word of the command line that is neither an option nor the value of one. */
function verbOf(argv: readonly string[]): string | null {
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--log') i++;
    else if (!argv[i]!.startsWith('-')) return argv[i]!;
  }
  return null;
}

function makeCli(program: Command, registry: Registry): Cli {
  const options = (): GlobalOptions => {
    const given = program.opts<{ log?: 'json' | 'pretty'; debug?: boolean; debugValues?: boolean; color: boolean }>();
    const color = given.color && process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
    return { log: given.log ?? null, debug: given.debug === true, debugValues: given.debugValues === true, color };
  };
  const loggers = new Map<'stdout' | 'stderr', Promise<Logger>>();
  const cli: Cli = {
    registry,
    async allVerbs() {
      const all = newProgram();
      for (const verb of verbs) (await verb.load()).register(all, cli);
      return all;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    isTTY: process.stdout.isTTY === true,
    env: process.env,
    get options() {
      return options();
    },
    logger(to) {
      // One for all: each that is made for people listens to the stream for good.
      const known = loggers.get(to) ?? loggerTo(process[to], options());
      loggers.set(to, known);
      return known;
    },
    async load(file) {
      const result = await loadPipeline(file, registry, process.env);
      if (!result.ok) throw new PipelineFileError(file, result.problems);
      return result.pipeline;
    },
    withSignals: (work) => withSignals(process.stderr, work),
    exit(code) {
      process.exitCode = code;
    },
  };
  return cli;
}

async function loggerTo(to: NodeJS.WriteStream, options: GlobalOptions): Promise<Logger> {
  const { createLogger } = await import('../base/log.ts');
  const format = options.log ?? (to.isTTY ? 'pretty' : 'json');
  return createLogger({ format, level: options.debug ? 'debug' : 'info', color: options.color, to });
}

function manifest(): { version: string; description: string } {
  // Two folders up from core/cli in a checkout, three from dist/core/cli in a package.
  const up = import.meta.url.endsWith('.ts') ? '../../package.json' : '../../../package.json';
  return JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string; description: string };
}

/** An uncaught error is printed as one line, too; a reader that closes the pipe (`| head`) is no error. */
function guardProcess(fail: (error: unknown) => void): void {
  const last = (error: unknown) => {
    fail(error);
    // oxlint-disable-next-line unicorn/no-process-exit -- the state of the program is unknown from here on
    process.exit();
  };
  process.on('uncaughtException', last);
  process.on('unhandledRejection', last);
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // EIO: the terminal was closed.
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
      // oxlint-disable-next-line unicorn/no-process-exit -- nobody reads what would be printed
      process.exit();
    });
  }
}
