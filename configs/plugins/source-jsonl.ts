import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTable, List, Mapping, Options, Text, transactionBatch, Type } from 'pgsluice/api';
import type { Cell, Change, ChangeStream, HandoffLsn, PluginContext, Relation, Source } from 'pgsluice/api';
import type { SourcePlugin, Static, StreamItem, StreamStart, TransactionInfo } from 'pgsluice/api';

const options = Options({
  file: Text({ description: 'The file, relative to the pipeline file. It may come later.' }),
  table: Text({ pattern: '^[^.]+\\.[^.]+$', description: 'schema.table that the lines are rows of.' }),
  columns: Mapping(Text({ description: 'Type.' }), { description: 'Types by field: bigint, timestamptz, jsonb …' }),
  key: Type.Optional(
    List(Text({ description: 'A field.' }), {
      description: 'Fields that identify a row. "_deleted": true deletes it.',
    }),
  ),
});
type JsonlOptions = Static<typeof options>;

/** A source from outside: a file of JSON lines that grows. A position is the offset behind the last line that was read. */
const plugin: SourcePlugin<JsonlOptions> = {
  kind: 'source',
  name: 'jsonl',
  apiVersion: 1,
  summary: 'Follows a file that grows by a JSON object a line; with a key the last line of a key wins',
  options,
  create: async (given, context) => jsonl(given, context),
};
export default plugin;

function jsonl({ file, table, columns, key = [] }: JsonlOptions, context: PluginContext): Source {
  const path = resolve(context.directory, file);
  const [schema = '', name = ''] = table.split('.');
  const defined = defineTable({ schema, name, columns, key }, 1);
  return {
    open: async () => ({
      identity: { systemId: path, database: '', timeline: 0, version: 0 },
      begin: 0n as HandoffLsn,
      end: BigInt(await withFile(path, async (handle) => (await handle.stat()).size, 0)),
    }),
    relations: async () => ({ tables: [defined], excluded: [] }),
    stream: async (start, signal) => lineStream({ path, relation: defined.relation, start, signal }),
    [Symbol.asyncDispose]: async () => {},
  };
}

interface Place {
  readonly relation: Relation;
  readonly tx: TransactionInfo;
}

interface Following {
  readonly path: string;
  readonly relation: Relation;
  readonly start: StreamStart;
  readonly signal: AbortSignal;
}

function lineStream(of: Following): ChangeStream {
  const end = new AbortController();
  const items = follow({ ...of, signal: AbortSignal.any([of.signal, end.signal]) });
  return {
    [Symbol.asyncIterator]: () => items,
    // A file need not be told what was read.
    confirm: () => {},
    flushConfirmed: async () => {},
    [Symbol.asyncDispose]: async () => end.abort(),
  };
}

async function* follow({ path, relation, start, signal }: Following): AsyncGenerator<StreamItem> {
  const until = Number(start.until ?? Number.MAX_SAFE_INTEGER);
  for (let at = Number(start.from); at < until; ) {
    signal.throwIfAborted();
    const { lines, size } = await withFile(path, (file) => readLines(file, at, until), { lines: Buffer.of(), size: 0 });
    if (size < at) throw new Error(`${path} has ${size} bytes, and was read up to byte ${at} before: it was cut`);
    if (lines.length > 0) {
      const end = BigInt(at + lines.length);
      const changes = (tx: TransactionInfo) => changesOf(lines, BigInt(at), { relation, tx });
      const commitTime = BigInt(Date.now()) * 1000n;
      yield { kind: 'batch', batch: transactionBatch({ end, commitTime, bytes: lines.length, changes }) };
      at += lines.length;
    } else if (size >= until) return;
    else await sleep(200, undefined, { signal });
  }
}

function changesOf(lines: Buffer, at: bigint, of: Place): Change[] {
  const changes: Change[] = [];
  let lsn = at;
  for (const line of lines.toString().split('\n').slice(0, -1)) {
    if (line.trim() !== '') changes.push(changeOf(line, lsn, of));
    lsn += BigInt(Buffer.byteLength(line) + 1);
  }
  return changes;
}

function changeOf(line: string, lsn: bigint, of: Place): Change {
  const row = parse(line);
  if (row === null) throw new Error(`no JSON object at byte ${lsn}`);
  const tuple = of.relation.columns.map(({ name, typeName }) => cell(row[name], typeName));
  if (of.relation.primaryKey.length === 0) return { kind: 'insert', lsn, ...of, after: tuple };
  // Whether the target has the row is not known: with `maybe` it is inserted where it is not there.
  if (row['_deleted'] !== true) return { kind: 'update', lsn, ...of, before: null, after: tuple, maybe: true };
  return { kind: 'delete', lsn, ...of, before: { image: 'key', tuple }, maybe: true };
}

type Row = Readonly<Record<string, unknown>>;
const exact = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { source: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
};

/** Numbers keep their digits (bigint, numeric): they stay as they are written. */
function parse(line: string): Row | null {
  try {
    const row = exact.parse(line, (_, value, { source }) =>
      typeof value === 'number' ? exact.rawJSON(source) : value,
    );
    return typeof row === 'object' && !Array.isArray(row) ? (row as Row | null) : null;
  } catch {
    return null;
  }
}

/** As PostgreSQL prints values of the type. */
function cell(value: unknown, type: string): Cell {
  if (value === undefined || value === null) return null;
  if (type.startsWith('json')) return JSON.stringify(value);
  if (typeof value === 'boolean' && type === 'boolean') return value ? 't' : 'f';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A file that is not there yet is empty. */
async function withFile<T>(path: string, work: (handle: FileHandle) => Promise<T>, otherwise: T): Promise<T> {
  const handle = existsSync(path) ? await open(path) : undefined;
  return handle === undefined ? otherwise : work(handle).finally(() => handle.close());
}

/** Whole lines from an offset on that end at or below `until`, about a megabyte of them, and how large the file is. */
async function readLines(handle: FileHandle, at: number, until: number): Promise<{ lines: Buffer; size: number }> {
  const { size } = await handle.stat();
  for (let room = 1 << 20; ; room *= 2) {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(room), 0, room, at);
    const read = buffer.subarray(0, Math.min(bytesRead, until - at));
    const lines = read.subarray(0, read.lastIndexOf(10) + 1);
    if (lines.length > 0 || bytesRead < room) return { lines, size };
  }
}
