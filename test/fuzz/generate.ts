import { Random } from '../support/chaos/random.ts';
import type { Feature } from './features.ts';
import { lateObject } from './late.ts';
import { Members } from './members.ts';
import { makeTables, needsOf } from './schema.ts';
import type { Ending, Script, Settings, Step } from './script.ts';
import { makeTransforms } from './transforms.ts';
import { Work } from './work.ts';

export const pairs: readonly (readonly [from: number, to: number])[] = [
  [14, 18],
  [15, 17],
  [16, 18],
  [17, 17],
  [18, 18],
];

/** The script of a seed: the same for the same seed, features, pairs and size, which multiplies tables and statements. */
export function generate(
  seed: number,
  on: (feature: Feature) => boolean,
  { among = pairs, size = 1 }: { among?: typeof pairs; size?: number } = {},
): Script {
  const random = new Random(seed);
  const [from, to] = among[seed % among.length]!;
  const tables = makeTables({ random: random.fork(), major: from, on }, size);
  const settings = journalOf(rangesOf(ownersOf(settingsOf(random.fork(), on), seed, on), seed, on), seed, on);
  const transforms =
    on('transforms') && settings.journal === undefined && settings.ddl === 'stop' && random.chance(0.35)
      ? makeTransforms(random.fork(), tables)
      : [];
  const members =
    on('members') && transforms.length === 0 && !settings.existing ? new Members(new Random(seed + 0x6d656d)) : null;
  const ddl = settings.ddl === 'follow' ? { major: from } : null;
  const work = new Work(random.fork(), tables, { on, ddl, members });
  const steps = course(random.fork(), work, { on, size });
  return {
    seed,
    from,
    to,
    settings: {
      ...settings,
      existing: settings.existing && transforms.length === 0,
      ...(on('lanes') && settings.journal === undefined ? { lanes: lanesOf(new Random(seed + 0x6c616e65)) } : {}),
    },
    needs: needsOf(tables),
    tables: tables.map(({ table }) => table),
    transforms,
    steps,
    ending: lateOf(endingOf(random, on), {
      on,
      // Of a schema that somebody else made only the tables are compared.
      plain: transforms.length === 0 && !settings.existing,
      owners: settings.owners,
      tables,
      random: new Random(seed + 0x6c617465),
    }),
  };
}

function settingsOf(random: Random, on: (feature: Feature) => boolean): Settings {
  return {
    workers: random.pick([1, 2, 4]),
    chunkSize: random.pick(['64kB', '1MB', '256MB']),
    streaming: random.chance(0.4),
    binary: random.chance(0.7),
    checkpointFile: on('file') && random.chance(0.15),
    existing: on('existing') && random.chance(0.1),
    ddl: on('ddl') && random.chance(0.15) ? 'follow' : 'stop',
    rate: random.chance(0.1) ? '1MB/s' : null,
    smallMemory: random.chance(0.4),
    owners: false,
  };
}

function lanesOf(random: Random): NonNullable<Settings['lanes']> {
  const first = { lanes: random.int(2, 6), by: random.pick(['group', 'table', 'key'] as const) };
  if (random.chance(0.4)) return [first];
  return [first, { lanes: random.int(1, 6), by: random.pick(['group', 'table', 'key'] as const) }];
}

/** Event triggers are a superuser's. */
function ownersOf(settings: Settings, seed: number, on: (feature: Feature) => boolean): Settings {
  const owners = on('owners') && !settings.existing && new Random(seed + 0x6f776e).chance(0.2);
  return owners ? { ...settings, owners, ddl: 'stop' } : settings;
}

/** The target of a journal has its tables, and DDL does not go through it. */
function journalOf(settings: Settings, seed: number, on: (feature: Feature) => boolean): Settings {
  if (!on('journal')) return settings;
  const random = new Random(seed + 0x6a726e6c);
  const journal = { appliers: random.int(1, 3), partitions: random.int(1, 6) };
  return { ...settings, journal, existing: true, ddl: 'stop', owners: false };
}

/** Slow enough for kills and writes between the ranges of tables of some kB. */
function rangesOf(settings: Settings, seed: number, on: (feature: Feature) => boolean): Settings {
  if (!on('ranges')) return settings;
  const random = new Random(seed + 0x72616e67);
  const maxAge = random.pick([null, '4s', '6s']);
  const during = maxAge !== null && random.chance(0.7);
  return { ...settings, chunkSize: '8kB', rate: '60kB/s', ranges: { maxAge, during } };
}

/** Rows, then runs and work in turn. */
function course(
  random: Random,
  work: Work,
  { on, size }: { on: (feature: Feature) => boolean; size: number },
): readonly Step[] {
  const { steps } = work;
  const some = (least: number, most: number) => work.some(random.int(least, most) * size);
  work.fill();
  if (random.chance(0.3)) some(1, 8);
  // In half of the seeds nothing runs while the writers write: the fastest, and all that follows is one backlog.
  const live = random.chance(0.5) || on('ranges');
  if (!live) {
    work.endAll();
    steps.push({ op: 'catch up' });
    some(10, 150);
    if (random.chance(0.2)) {
      steps.push({ op: 'catch up' });
      some(10, 80);
    }
    work.endAll();
    return steps;
  }
  steps.push({ op: 'start' });
  if (random.chance(0.6) || on('ranges')) some(1, 15);
  if (on('kills') && random.chance(on('ranges') ? 0.75 : 0.25))
    steps.push({ op: 'wait', ms: random.int(50, 900) }, { op: 'kill' }, { op: 'start' });
  steps.push({ op: 'streaming' });
  for (let i = random.int(1, 3); i > 0; i--) {
    some(10, 60);
    if (on('kills') && random.chance(0.4))
      steps.push({ op: 'wait', ms: random.int(0, 300) }, { op: 'kill' }, { op: 'start' });
    else if (on('cuts') && random.chance(0.25)) steps.push({ op: 'cut', side: random.pick(['source', 'target']) });
    else if (random.chance(0.15)) steps.push({ op: 'stop' });
  }
  work.endAll();
  return steps;
}

interface LateGround {
  readonly on: (feature: Feature) => boolean;
  readonly plain: boolean;
  readonly owners: boolean;
  readonly tables: ReturnType<typeof makeTables>;
  readonly random: Random;
}

/** Draws from numbers of its own, so that older seeds stay what they were. */
function lateOf(ending: Ending, { on, plain, owners, tables, random }: LateGround): Ending {
  if (!on('late') || !ending.cutover || !plain || !random.chance(0.6)) return ending;
  const { table } = random.pick(tables);
  const late = lateObject(random, table);
  // Of `owners: skip` grants are no difference.
  return owners && late.startsWith('GRANT') ? ending : { ...ending, late };
}

function endingOf(random: Random, on: (feature: Feature) => boolean): Ending {
  const cutover = on('cutover') && random.chance(0.2);
  const spoil = !cutover && on('spoil') && random.chance(0.2) ? random.int(0, 1000) : null;
  return { verify: on('verify') && random.chance(0.5), spoil, cutover, late: null };
}
