import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { withoutNegativeTimers } from '../../plugins/sink-kafka/client/kafkajs-timers.ts';

/** What a process used, and how much of its work is in the topic. */
interface Sample {
  /** Milliseconds. */
  readonly at: number;
  /** CPU seconds of each. */
  readonly cpu: Readonly<Record<string, number>>;
  readonly records: number;
}

export interface Watched {
  /** Before the first twentieth of the records was there: start, connections, topic metadata, code that is not compiled yet. */
  readonly start: { readonly seconds: number; readonly cpu: number };
  /** Behind it. */
  readonly perSecond: number;
  /** Microseconds of CPU per record behind the start, of each. */
  readonly each: Readonly<Record<string, number>>;
  /** Largest resident memory of the process, in bytes. */
  readonly rss: number;
}

export interface Watching {
  readonly brokers: readonly string[];
  readonly topic: string;
  /** How many records there were before, and how many are to come. */
  readonly before: number;
  readonly expected: number;
  /** The process that is measured first; what is asked of the others is theirs to say. */
  readonly pid: number;
  readonly cpu: () => Readonly<Record<string, number>>;
  readonly alive: () => boolean;
}

/** Watches a process fill a topic, the same way whatever it is. */
export async function watchTopic(watching: Watching): Promise<Watched> {
  const { brokers, topic, before, expected, pid } = watching;
  withoutNegativeTimers();
  const admin = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  const sample = async (): Promise<Sample> => {
    const offsets = await admin.fetchTopicOffsets(topic).catch(() => []);
    const records = offsets.reduce((sum, { high }) => sum + Number(high), 0) - before;
    return { at: performance.now(), cpu: watching.cpu(), records };
  };
  const first = { at: performance.now(), cpu: watching.cpu() };
  let warm: Sample | null = null;
  try {
    for (; ; await sleep(40)) {
      const now = await sample();
      if (warm === null && now.records >= expected / 20) warm = now;
      if (now.records >= expected && warm !== null) return { ...figures(first, warm, now), rss: peakOf(pid) };
      if (!watching.alive()) throw new Error(`ended with ${now.records} of ${expected} records`);
    }
  } finally {
    await admin.disconnect();
  }
}

function figures(first: Pick<Sample, 'at' | 'cpu'>, warm: Sample, last: Sample): Omit<Watched, 'rss'> {
  const records = last.records - warm.records;
  const each = Object.keys(last.cpu).map((who) => [who, ((last.cpu[who]! - warm.cpu[who]!) / records) * 1e6] as const);
  const [own] = Object.keys(last.cpu);
  return {
    start: { seconds: (warm.at - first.at) / 1000, cpu: warm.cpu[own!]! - first.cpu[own!]! },
    perSecond: (records / (last.at - warm.at)) * 1000,
    each: Object.fromEntries(each),
  };
}

/** Linux: /proc. */
function peakOf(pid: number): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes ?? 0) * 1024;
}
