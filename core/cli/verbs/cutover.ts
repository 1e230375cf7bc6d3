import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration, parseSize } from '../../base/units.ts';
import { abortCutover, cutover } from '../../operations/cutover/cutover.ts';
import type { CutoverReport, FenceChoice, VerifyMode } from '../../operations/cutover/options.ts';
import { printVerify } from '../../operations/verify/print.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';
import { openEnds } from '../open-locked.ts';
import { wayBackSteps } from '../../operations/cutover/way-back-file.ts';

interface CutoverFlags {
  readonly dryRun?: boolean;
  readonly abort?: boolean;
  /** False: --no-verify. */
  readonly verify: VerifyMode | false;
  readonly fence: FenceChoice;
  readonly accept?: readonly string[];
  readonly wayBack?: string;
  readonly maxLag: number;
  readonly wait: number;
  readonly quiet: number;
}

/** `pgsluice cutover FILE`: works beside an active run and without one; can be resumed. */
export function register(program: Command, cli: Cli): void {
  program
    .command('cutover')
    .description(
      'the cutover: verify, catch up, writers stop, sequences, go, then drop slot and publication; resumable',
    )
    .argument('<file>', 'pipeline file')
    .option('--dry-run', 'all but the irreversible; a run goes on')
    .addOption(
      new Option('--verify <mode>', 'full: before the writers stop; final: while they stand still; sampled; none')
        .choices(['full', 'final', 'sampled', 'none'])
        .default('full'),
    )
    .option('--no-verify', 'the same as --verify none')
    .addOption(
      new Option(
        '--fence <kind>',
        'keeps writes from the source; undone when there is no GO. auto: once the writers have stopped; the others at once; none: you stop them',
      )
        .choices(['auto', 'triggers', 'read_only', 'revoke', 'terminate', 'none'])
        .default('auto'),
    )
    .option(
      '--accept <name...>',
      'go all the same although these are missing or differ: names as verify and status print them',
    )
    .option('--way-back <file>', 'write a pipeline that leads back, and make its slot on the target')
    .addOption(
      new Option('--max-lag <size>', 'how far a run may be behind when it is taken over')
        .argParser(size)
        .default(64 * 1024 * 1024, '64MB'),
    )
    .addOption(
      new Option('--wait <duration>', 'how long to wait for the lag, and then for the writers to stop')
        .argParser(duration)
        .default(120_000, '2m'),
    )
    .addOption(
      new Option('--quiet <duration>', 'so long without a change counts as: the writers have stopped')
        .argParser(duration)
        .default(500, '500ms'),
    )
    .option('--abort', 'take down what a killed cutover left, so that the pipeline can be run on')
    .action((file: string, flags: CutoverFlags) => cli.withSignals((signal) => run(cli, file, flags, signal)));
}

async function run(cli: Cli, file: string, flags: CutoverFlags, signal: AbortSignal): Promise<void> {
  const say = (line: string) => void cli.stdout.write(`${line}\n`);
  await using opened = await openEnds(cli, { file, logTo: 'stderr', signal });
  const { pipeline, locked } = opened;
  if (flags.abort === true) {
    const done = await abortCutover(pipeline);
    for (const line of done.length === 0 ? ['no cutover is under way'] : done) say(line);
    return;
  }
  const interrupted = (): void => {
    say('not cut over: interrupted; whatever was put up is taken down, the pipeline can be run on');
    cli.exit(1);
  };
  const report = await cutover({
    pipeline,
    locked,
    dryRun: flags.dryRun === true,
    fence: flags.fence,
    accept: new Set(flags.accept ?? []),
    verify: flags.verify === false ? 'none' : flags.verify,
    wayBack: flags.wayBack ?? null,
    openBack: (back, lock) => openFor(cli, { file: back, lock, logTo: 'stderr', signal }),
    steps: wayBackSteps(flags.wayBack === undefined ? [] : await cli.registry.all()),
    maxLag: flags.maxLag,
    patience: flags.wait,
    quiet: flags.quiet,
    say,
  }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
    return null;
  });
  if (report === null) interrupted();
  else tell(cli, report, say);
}

function tell(cli: Cli, { verify, blocked }: CutoverReport, say: (line: string) => void): void {
  if (blocked.length === 0) return;
  if (verify?.equal === false) cli.stdout.write(printVerify(verify));
  const names = [...new Set(blocked.map(({ name }) => quoted(name)))].join(' ');
  say(
    `not cut over: source and target differ; the pipeline is intact and can be run on. To go all the same: --accept ${names}`,
  );
  cli.exit(4);
}

/** Quoted for a shell. */
function quoted(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;
}

function size(text: string): number {
  const value = parseSize(text);
  if (value === null) throw new InvalidArgumentError('a size with a unit is wanted, such as 64MB');
  return value;
}

export function duration(text: string): number {
  const value = parseDuration(text);
  if (value === null) throw new InvalidArgumentError('a duration with a unit is wanted, such as 30s');
  return value;
}
