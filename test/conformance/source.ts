import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../../core/api/change.ts';
import type { SourcePlugin } from '../../core/api/plugin.ts';
import { readCatalog, type Source, type StreamItem, type StreamStart } from '../../core/api/source.ts';
import { type Given, withDefaults } from '../../core/base/options.ts';
import type { CommitLsn, ResumePoint } from '../../core/postgres/lsn.ts';
import type { Cell } from '../../core/postgres/tuple.ts';
import { checked } from '../../core/registry/registry.ts';
import { conformanceContext, samplePlan } from './fixtures.ts';

/** A place for the source to read from, and how to write there. */
export interface SourceSubject<O> {
  readonly options: Given<O>;
  /** Schema and name of the table `id integer primary key, name text, note text` that the source tells of; empty at first. */
  readonly schema: string;
  readonly table: string;
  /** Writes new rows [id, name, note], in one transaction where there are such; resolves when the source can have them. */
  readonly write: (rows: readonly (readonly [string, string | null, string | null])[]) => Promise<void>;
}

export interface SourceConformanceOptions<O> {
  readonly subject: SourceSubject<O>;
  readonly directory?: string;
}

const never = new AbortController().signal;
const some = [
  ['1', 'one', 'a\tb\\c\n"d"'],
  ['2', null, ''],
  ['3', 'three', 'ü – 漢'],
] as const;

/** Registers the tests that every source plugin has to pass; they build on each other and run in order. */
export function sourceConformance<O>(plugin: SourcePlugin<O>, how: SourceConformanceOptions<O>): void {
  const name = `source ${plugin.name}`;
  const { subject } = how;
  const context = () => conformanceContext(plugin.name, how.directory ?? process.cwd());
  const create = (): Promise<Source> =>
    plugin.create(withDefaults<O>(plugin.options, subject.options as object), context());
  let begin: ResumePoint;
  const seen: { readonly end: CommitLsn; readonly place?: string; readonly rows: number }[] = [];

  test(`${name}: is a plugin with a strict options schema`, () => {
    assert.equal(checked(plugin, 'source', plugin.name), plugin);
    assert.notEqual(plugin.summary, '');
  });

  test(`${name}: says who it is, the same each time, and tells of its table`, async () => {
    await using source = await create();
    await using again = await create();
    const { identity, end } = await source.open(never);
    assert.deepEqual((await again.open(never)).identity, identity);
    assert.notEqual(identity.systemId, '');
    assert.ok(end >= 0n);
    const relation = await sample(source, subject);
    assert.deepEqual(
      relation.columns.map((column) => column.name),
      ['id', 'name', 'note'],
    );
    assert.deepEqual(relation.primaryKey, [0]);
    begin = await beginOf(source, subject);
    assert.ok(begin <= end || source.control !== undefined);
  });

  test(`${name}: hands out what was written, in order, with positions that grow, and ends at a position`, async () => {
    await using source = await create();
    await subject.write(some.slice(0, 2));
    await subject.write(some.slice(2));
    const { end, identity } = await source.open(never);
    const batches = await read(source, { from: begin, identity, until: end });
    assert.deepEqual(rowsOf(batches.flatMap(({ changes }) => changes)), some);
    let last: bigint = begin;
    let rows = 0;
    for (const { boundary, changes, values, transactions, place } of batches) {
      assert.equal(values, 'text');
      for (const { tx } of changes) assert.ok(tx.finalLsn >= last, 'a commit lies behind the end of the one before');
      rows += changes.filter(isOfRow).length;
      if (boundary === null) continue;
      assert.ok(boundary > last && boundary <= end && transactions > 0);
      for (const { tx, lsn } of changes) assert.ok(tx.finalLsn < boundary && lsn <= boundary);
      last = boundary;
      seen.push({ end: boundary, rows, ...(place === undefined ? {} : { place }) });
    }
    assert.equal(rows, 3);
  });

  test(`${name}: a stream that begins at the end of a transaction has exactly what lies behind it`, async () => {
    await using source = await create();
    const { end, identity } = await source.open(never);
    for (const at of seen) {
      const batches = await read(source, { from: at.end, identity, until: end, ...placeOf(at) });
      assert.deepEqual(rowsOf(batches.flatMap(({ changes }) => changes)), some.slice(at.rows));
    }
  });

  test(`${name}: follows what is written later, is told what is durable, and ends soon when it is asked to`, async () => {
    await using source = await create();
    const { identity, end } = await source.open(never);
    const stop = new AbortController();
    let durable: ResumePoint = begin;
    let place: { readonly place?: string } = {};
    {
      await using stream = await source.stream({ from: begin, identity, acknowledged: null, until: null }, stop.signal);
      const rows: (readonly Cell[])[] = [];
      let wrote = false;
      for await (const item of stream) {
        if (item.kind === 'batch') rows.push(...rowsOf(item.batch.changes));
        const boundary = item.kind === 'batch' ? item.batch.boundary : null;
        if (boundary !== null) {
          stream.confirm(boundary);
          durable = boundary;
          if (item.kind === 'batch') place = placeOf(item.batch);
        }
        if (rows.length === 3 && !wrote) await subject.write([['4', 'later', null]]).then(() => (wrote = true));
        if (rows.length === 4) break;
      }
      await stream.flushConfirmed();
      confirmed = durable;
      assert.deepEqual(rows.at(-1), ['4', 'later', null]);
    }
    assert.ok((await source.open(never)).end > end);
    const { signal } = stop;
    await using quiet = await source.stream(
      { from: durable, identity, acknowledged: durable as bigint, until: null, ...place },
      signal,
    );
    const ended = drain(quiet).catch((error: unknown) => assert.ok(signal.aborted, String(error)));
    stop.abort();
    await ended;
  });

  test(`${name}: a copy has the rows of its moment, and the stream those behind it`, async (t) => {
    await using source = await create();
    if (source.snapshot === undefined) return t.skip('without snapshots the stream holds everything');
    await using session = await source.snapshot.open({ kind: 'only', before: null }, never);
    await subject.write([['5', 'too late', null]]);
    const plan = samplePlan(await sample(source, subject));
    const rows: (readonly Cell[])[] = [];
    for (const chunk of await session.chunks(plan.source, 1 << 20)) {
      const copy = await session.openRows(chunk, plan.query, never);
      for await (const some of copy.rows) rows.push(...some);
    }
    const ids = rows.map(([id]) => Number(id)).toSorted((a, b) => a - b);
    assert.deepEqual(ids, [1, 2, 3, 4]);
  });

  test(`${name}: what it left on the source is removed, and may be removed again`, async (t) => {
    await using source = await create();
    if (source.control === undefined) return t.skip('it leaves nothing');
    source.control.claim(owner);
    assert.ok((await source.control.cleanup(never)).length > 0);
    assert.deepEqual(await source.control.cleanup(never), []);
    assert.equal(await source.control.slot.status(never), null);
  });
}

/** One for the whole suite: what was made by one instance is proven by the notes that the next one has. */
const notes = new Map<string, unknown>();
/** How far the suite's pipeline confirmed: its sinks' positions would say so. */
let confirmed: ResumePoint | null = null;
const owner = {
  id: 'conformance',
  store: null,
  named: null,
  noted: (object: string) => (notes.get(object) ?? null) as null,
  note: async (object: string, value: unknown) => void notes.set(object, value),
  reached: async () => confirmed,
};

async function sample(source: Source, { schema, table }: Pick<SourceSubject<never>, 'schema' | 'table'>) {
  const { tables } = await readCatalog(source, never);
  const found = tables.find(({ relation }) => relation.schema === schema && relation.name === table);
  assert.ok(found, `no table ${schema}.${table}`);
  return found.relation;
}

/** Where a pipeline without a copy begins. */
async function beginOf(source: Source, subject: Pick<SourceSubject<never>, 'schema' | 'table'>): Promise<ResumePoint> {
  const { begin } = await source.open(never);
  if (begin !== null) return begin;
  const { control } = source;
  assert.ok(control, 'where open() names no begin, control.slot.make does');
  control.claim(owner);
  await control.publication.publish([{ relation: await sample(source, subject), where: null, columns: null }], never);
  const made = await control.slot.make(never);
  assert.ok(made !== null);
  return made;
}

function placeOf({ place }: { readonly place?: string }): { readonly place?: string } {
  return place === undefined ? {} : { place };
}

type Batch = Extract<StreamItem, { kind: 'batch' }>['batch'];

async function read(source: Source, start: Omit<StreamStart, 'acknowledged'>): Promise<Batch[]> {
  await using stream = await source.stream({ ...start, acknowledged: null }, never);
  return await drain(stream);
}

async function drain(stream: AsyncIterable<StreamItem>): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const item of stream) if (item.kind === 'batch') batches.push(item.batch);
  return batches;
}

function isOfRow(change: Change): boolean {
  return change.kind === 'insert' || change.kind === 'update';
}

/** New rows: a source that does not know whether a row is new tells of it as an UPDATE with `maybe`. */
function rowsOf(changes: readonly Change[]): (readonly Cell[])[] {
  return changes.flatMap((change) => {
    if (change.kind !== 'insert' && change.kind !== 'update') return [];
    if (change.kind === 'update') assert.equal(change.maybe, true);
    return [[...change.after] as Cell[]];
  });
}
