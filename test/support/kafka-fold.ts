import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { ReadRecord } from './kafka-read.ts';
import type { TestDatabase } from './servers.ts';

/** A change event in Debezium's form, as far as the tests read it; 64-bit positions stay exact in these tests' databases. */
export interface ChangeEvent {
  readonly op: 'r' | 'c' | 'u' | 'd' | 't';
  readonly before: Row | null;
  readonly after: Row | null;
  readonly source: { readonly lsn: number | null; readonly snapshot: string; readonly txId: number | null };
}
export type Row = Readonly<Record<string, unknown>>;

const unavailable = '__debezium_unavailable_value';

/** What a reader that keeps the last state of each key ends up with: rows by key, of one topic. */
export function fold(records: readonly ReadRecord[], topic: string): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const record of records) {
    if (record.topic !== topic) continue;
    assert.notEqual(record.key, null, 'every table of these tests has a key');
    const key = record.key!;
    const event = eventOf(record);
    if (event === null || event.op === 'd') rows.delete(key);
    else rows.set(key, merged(rows.get(key), event.after!));
  }
  return rows;
}

/** A value that was not sent is the one that was there. */
function merged(before: Row | undefined, after: Row): Row {
  const entries = Object.entries(after).map(([name, value]) => [name, value === unavailable ? before?.[name] : value]);
  return Object.fromEntries(entries) as Row;
}

export function eventOf(record: ReadRecord): ChangeEvent | null {
  return record.value === null ? null : (JSON.parse(record.value) as ChangeEvent);
}

/** Columns of a table as Debezium writes them, computed by the source itself: SQL expressions by column. */
export type Columns = Readonly<Record<string, string>>;

/** The folded topic holds exactly the rows of the source's table. */
export async function assertSame(
  source: TestDatabase,
  folded: ReadonlyMap<string, Row>,
  table: { readonly name: string; readonly columns: Columns },
): Promise<void> {
  const list = Object.entries(table.columns).map(([name, sql]) => `(${sql})::text AS "${name}"`);
  const rows = await source.query<Record<string, string | null>>(`SELECT ${list.join(', ')} FROM ${table.name}`);
  const text = (row: Row) => JSON.stringify(Object.keys(table.columns).map((name) => short(row[name])));
  const want = new Set(rows.map(text));
  const got = new Set([...folded.values()].map(text));
  assert.equal(folded.size, rows.length, `${table.name}: ${folded.size} rows in Kafka, ${rows.length} on the source`);
  assert.deepEqual([...want].filter((row) => !got.has(row)).slice(0, 3), [], `${table.name}: rows that Kafka lacks`);
}

/** A value for comparison and messages: of a long one its hash. */
function short(value: unknown): string | null {
  if (value === null) return null;
  const text = String(value);
  return text.length <= 100 ? text : `${text.length} characters, ${createHash('md5').update(text).digest('hex')}`;
}

/** How often each event of the stream is there, by topic, key, position and operation. */
export function streamEvents(records: readonly ReadRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const record of records) {
    const event = eventOf(record);
    if (event === null || event.op === 'r') continue;
    const id = `${record.topic} ${record.key} ${event.source.lsn} ${event.op}`;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** Events of one key come in the order of the source's log, where only the first appearance of each counts. */
export function assertKeyOrder(records: readonly ReadRecord[]): void {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const record of records) {
    const event = eventOf(record);
    if (event === null || event.op === 'r') continue;
    const key = `${record.topic} ${record.key}`;
    const id = `${key} ${event.source.lsn} ${event.op}`;
    if (seen.has(id)) continue;
    seen.add(id);
    const lsn = event.source.lsn!;
    assert.ok(lsn >= (last.get(key) ?? 0), `${id} comes after ${last.get(key)}`);
    last.set(key, lsn);
  }
}
