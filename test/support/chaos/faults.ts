import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalServer } from '../../../core/servers/local-server.ts';
import type { Proxy } from '../proxy.ts';
import type { Random } from './random.ts';
import type { Supervisor } from './supervisor.ts';
import type { Writers } from './writers.ts';

/** What faults act on. */
export interface Ground {
  readonly source: LocalServer;
  readonly target: LocalServer;
  readonly sourceDatabase: string;
  readonly targetDatabase: string;
  readonly toSource: Proxy;
  readonly toTarget: Proxy;
  readonly supervisor: Supervisor;
  readonly writers: Writers;
}

export interface Fault {
  readonly name: string;
  readonly strike: (ground: Ground) => Promise<unknown>;
}

const phases = ['run-started', 'slot-created', 'copy-started', 'table-copied', 'table-finished', 'snapshot-finished'];

type Maker = (random: Random) => Fault;

const kill: Maker = (random) => {
  const wait = random.int(0, 1200);
  return {
    name: `kill after ${wait} ms`,
    strike: ({ supervisor }) => sleep(wait).then(() => supervisor.signal('SIGKILL')),
  };
};
/** At a phase, so that each is met; where the event does not come, after a while anyway. */
const killAt: Maker = (random) => {
  const event = random.pick([...phases, 'stream-started']);
  const count = event.startsWith('table') ? random.int(1, 18) : 1;
  const late = random.int(0, 60);
  return {
    name: `kill ${late} ms after ${event} ${count}`,
    strike: async ({ supervisor }) => {
      await supervisor.event(event, count, 2500);
      await sleep(late);
      supervisor.signal('SIGKILL');
    },
  };
};
const terminate: Maker = () => ({ name: 'SIGTERM', strike: async ({ supervisor }) => supervisor.signal('SIGTERM') });

const restart: Maker = (random) => {
  const side = random.pick(['source', 'target'] as const);
  const mode = random.pick(['fast', 'immediate', 'immediate'] as const);
  const pause = random.int(0, 800);
  return {
    name: `restart ${side} ${mode}, ${pause} ms down`,
    strike: async (ground) => {
      await ground[side].stop(mode);
      await sleep(pause);
      await ground[side].startAgain();
    },
  };
};
const cut: Maker = (random) => {
  const side = random.pick(['toSource', 'toTarget'] as const);
  const which = random.chance(0.5) ? null : random.int(0, 7);
  return {
    name: `cut ${which === null ? 'all' : `number ${which}`} ${side}`,
    strike: async (ground) => {
      const proxy = ground[side];
      const count = proxy.connections;
      return proxy.cut((index) => which === null || index === which % Math.max(1, count));
    },
  };
};
const stall: Maker = (random) => {
  const side = random.pick(['toSource', 'toTarget'] as const);
  const ms = random.int(200, 3500);
  const end = random.pick(['cut', 'thaw', 'kill'] as const);
  return {
    name: `stall ${side} ${ms} ms, then ${end}`,
    strike: async (ground) => {
      ground[side].stall();
      await sleep(ms);
      if (end === 'cut') ground[side].cut();
      if (end === 'kill') ground.supervisor.signal('SIGKILL');
      ground[side].thaw();
    },
  };
};
const backend: Maker = (random) => {
  const side = random.pick(['source', 'target'] as const);
  const at = random.int(0, 7);
  return {
    name: `terminate backend ${at} of the ${side}`,
    strike: async (ground) => {
      const database = side === 'source' ? ground.sourceDatabase : ground.targetDatabase;
      // A server that is down has no backends.
      await ground[side]
        .query(`SELECT pg_terminate_backend(pid) FROM (
        SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgsluice%' AND datname = '${database}' ORDER BY pid) p
        OFFSET ${at} % greatest(1, (SELECT count(*) FROM pg_stat_activity
          WHERE application_name LIKE 'pgsluice%' AND datname = '${database}')) LIMIT 1`)
        .catch(() => {});
    },
  };
};
/** As a machine that sleeps or swaps: longer than wal_sender_timeout at times. */
const freeze: Maker = (random) => {
  const ms = random.chance(0.4) ? random.int(8500, 10_000) : random.int(200, 3000);
  return { name: `SIGSTOP for ${ms} ms`, strike: ({ supervisor }) => supervisor.freeze(ms) };
};
const rest: Maker = (random) => {
  const ms = random.int(500, 2500);
  return { name: `writers rest ${ms} ms`, strike: ({ writers }) => writers.rest(ms) };
};
/** Two at once. */
const both: Maker = (random) => {
  const parts = [random.pick([kill, cut, stall, backend])(random), random.pick([restart, kill, backend])(random)];
  return {
    name: parts.map((part) => part.name).join(' + '),
    strike: (ground) => Promise.all(parts.map((part) => part.strike(ground))),
  };
};

const makers: readonly (readonly [number, Maker])[] = [
  [4, kill],
  [4, killAt],
  [1, terminate],
  [4, restart],
  [3, cut],
  [2, stall],
  [3, backend],
  [1, freeze],
  [1, rest],
  [2, both],
];

export function chooseFaults(random: Random, count: number): readonly Fault[] {
  return Array.from({ length: count }, () => random.weighted(makers)(random));
}
