import { type CommitLsn, formatLsn, parseLsn } from '../../core/postgres/lsn.ts';
import type { KafkaRecord, TopicSpec } from './client/producer.ts';
import { kafkaError } from './errors.ts';

/**
 * The position topic: one partition, compacted, key is the transactional id, value the end of the last commit whose
 * records are in the same Kafka transaction. Small segments, so that compaction has something to do.
 */
export function positionTopic(name: string, replicationFactor: number | null): TopicSpec {
  return {
    name,
    partitions: 1,
    replicationFactor,
    config: { 'cleanup.policy': 'compact', 'segment.bytes': '16777216', 'min.cleanable.dirty.ratio': '0.1' },
  };
}

/** `partitions`: of the journal that is written. */
export function positionRecord(
  topic: string,
  key: string,
  position: CommitLsn | null,
  partitions: number | null = null,
): KafkaRecord {
  const lsn = position === null ? 'null' : `"${formatLsn(position)}"`;
  const of = partitions === null ? '' : `,"partitions":${partitions}`;
  return {
    topic,
    partition: 0,
    key: Buffer.from(key),
    value: Buffer.from(`{"version":1,"lsn":${lsn}${of}}`),
    headers: null,
  };
}

/** Reads a value; empty: the position was removed. Throws PGS5015 on anything that is not ours. */
export function readPosition(text: string | null, topic: string): CommitLsn | null {
  if (text === null || text === '') return null;
  try {
    const { version, lsn } = JSON.parse(text) as { version?: unknown; lsn?: unknown };
    if (version !== 1) throw new RangeError(`version ${String(version)}`);
    return lsn === null ? null : (parseLsn(String(lsn)) as CommitLsn);
  } catch (cause) {
    throw kafkaError('PGS5015', `a record of ${topic} holds no position`, { cause });
  }
}

/** A table of a journal is in the partition that its name and their number say: with another number its changes would pass each other. */
export function refuseOtherPartitions(text: string | null, partitions: number): void {
  if (text === null || text === '') return;
  const { partitions: before } = JSON.parse(text) as { partitions?: unknown };
  if (typeof before !== 'number' || before === partitions) return;
  throw kafkaError('PGS2214', `the journal was begun with ${before} partitions, and its topic has ${partitions}`);
}
