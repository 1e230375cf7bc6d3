import pg from 'pg';
import type { PluginContext } from '../../../core/api/context.ts';
import { derived } from '../../../core/base/error.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import type { TablePlan } from '../../../core/api/plan.ts';
import { type Oid, relationName } from '../../../core/postgres/relation.ts';
import type { LoadResult } from '../../../core/api/sink.ts';
import type { RawCopy, RowCopy } from '../../../core/api/snapshot.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { qualified, quoteIdent } from '../../../core/postgres/quote.ts';
import { typesSql } from '../../../core/postgres/types-sql.ts';
import { bulkError } from '../errors.ts';
import type { Sessions } from '../sessions.ts';
import { smallBytes } from '../staying.ts';
import type { Owner } from '../state.ts';
import { copyIn } from './copy-in.ts';
import { encodeRows } from './copy-text.ts';

export interface LoadMore {
  readonly owner: Owner;
  readonly context: PluginContext;
  /** The table is one chunk and nobody else's: emptied and filled in one transaction, rows frozen. */
  readonly whole: boolean;
  /** Types of the columns that are filled, as they were when the plan was compared with the target. */
  readonly types: readonly Oid[];
  readonly signal: AbortSignal;
}

/**
 * One chunk, one transaction. With several chunks the marker in the same transaction makes a second try of a chunk whose
 * COMMIT got no answer a no-op; it also waits for a first try that still runs in a backend we lost. A chunk that is the
 * whole table starts with TRUNCATE, so that it needs no marker.
 */
export async function loadChunk(
  sessions: Sessions,
  plan: TablePlan,
  copy: RawCopy | RowCopy,
  more: LoadMore,
): Promise<LoadResult> {
  try {
    return await sessions.query((client) => (more.whole ? loadWhole : loadMarked)(client, plan, copy, more));
  } catch (error) {
    throw withPlace(error, plan, copy, more.context);
  }
}

async function loadWhole(
  client: pg.Client,
  plan: TablePlan,
  copy: RawCopy | RowCopy,
  more: LoadMore,
): Promise<LoadResult> {
  const table = qualified(plan.output);
  const asked = question(plan, copy, more);
  const small = copy.chunk.bytes <= smallBytes;
  let result = small ? await run(client, plan, copy, { ...more, before: whileEmpty(table, asked) }) : null;
  if (small && result === null) await client.query('ROLLBACK');
  const before = `BEGIN; TRUNCATE ONLY ${table}; SELECT CASE ${asked} END; `;
  result ??= await run(client, plan, copy, { ...more, before, freeze: true });
  // Rows that we encoded are counted before they count.
  if (copy.kind === 'rows') await client.query('COMMIT');
  failpoint('loaded');
  return result!;
}

/**
 * A small table that is empty keeps its file: the commit that drops a file looks through all of the server's shared buffers,
 * which costs more than freezing saves. The lock waits for a first try that still runs in a backend we lost.
 */
function whileEmpty(table: string, asked: string): string {
  const lock = `LOCK TABLE ONLY ${table} IN SHARE ROW EXCLUSIVE MODE`;
  return `BEGIN; ${lock}; SELECT CASE WHEN EXISTS (SELECT FROM ONLY ${table}) THEN '${answers.occupied}' ${asked} END; `;
}

/** Answers of the SELECT before a COPY. */
const answers = { go: 'go', occupied: 'occupied', altered: 'altered' } as const;

/**
 * Inside a CASE, once the table is locked: bytes are read as what the columns are now, and a type that they were given since the
 * plan was compared with them would make other values of them, without an error. Text is read by any type as what it says.
 */
function question(plan: TablePlan, copy: RawCopy | RowCopy, { types }: Pick<LoadMore, 'types'>): string {
  const binary = copy.kind === 'raw' && copy.format === 'binary';
  const columns = plan.output.columns.map(({ name }, i) => ({ name, type: types[i]! }));
  const same = binary ? typesSql(plan.output, columns) : 'true';
  return `WHEN ${same} THEN '${answers.go}' ELSE '${answers.altered}'`;
}

async function loadMarked(
  client: pg.Client,
  plan: TablePlan,
  copy: RawCopy | RowCopy,
  more: LoadMore,
): Promise<LoadResult> {
  const key = [more.owner.pipeline, more.owner.sink, relationName(plan.source), copy.chunk.id];
  const loaded = await started(mark(client, key), copy);
  if (loaded !== null) {
    await stopReading(copy);
    await client.query('ROLLBACK');
    return loaded;
  }
  const result = await loadWithin(client, plan, copy, more);
  await client.query(
    'UPDATE pgsluice.chunk SET rows = $5, bytes = $6 WHERE pipeline = $1 AND sink = $2 AND source = $3 AND chunk = $4',
    [...key, String(result.rows), result.bytes],
  );
  await client.query('COMMIT');
  failpoint('loaded');
  return result;
}

/** Within the caller's transaction, which stays open. */
export async function loadWithin(
  client: pg.Client,
  plan: TablePlan,
  copy: RawCopy | RowCopy,
  more: Omit<LoadMore, 'whole' | 'owner'>,
): Promise<LoadResult> {
  // In a partitioned table the locks of its partitions come with the rows; they cannot have other types.
  const before = `LOCK TABLE ONLY ${qualified(plan.output)} IN ROW EXCLUSIVE MODE; SELECT CASE ${question(plan, copy, more)} END; `;
  return (await run(client, plan, copy, { ...more, before, open: true }))!;
}

/** Null: marked now. Else what the chunk's transaction, which did commit, has loaded. */
async function mark(client: pg.Client, key: readonly string[]): Promise<LoadResult | null> {
  await client.query('BEGIN');
  const inserted = await client.query(
    'INSERT INTO pgsluice.chunk (pipeline, sink, source, chunk) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
    [...key],
  );
  if (inserted.rowCount === 1) return null;
  const { rows } = await client.query<{ rows: string; bytes: string }>(
    'SELECT rows, bytes FROM pgsluice.chunk WHERE pipeline = $1 AND sink = $2 AND source = $3 AND chunk = $4',
    [...key],
  );
  return { rows: BigInt(rows[0]?.rows ?? 0), bytes: Number(rows[0]?.bytes ?? 0) };
}

interface RunMore extends Omit<LoadMore, 'whole' | 'owner'> {
  /** SQL that goes in one message with the COPY, a SELECT of {@link answers} at its end. */
  readonly before: string;
  /** The transaction is left open; else it is committed in the same message, where that can be. */
  readonly open?: boolean;
  readonly freeze?: boolean;
}

/** Null where the table has rows and was to be empty; then nothing was read from the source. */
async function run(
  client: pg.Client,
  plan: TablePlan,
  copy: RawCopy | RowCopy,
  more: RunMore,
): Promise<LoadResult | null> {
  const counted = { rows: 0n };
  const frames = copy.kind === 'raw' ? copy.frames : encodeRows(copy.rows, counted);
  const source = { frames, refuse: () => stopReading(copy), expect: answers.go };
  const format = copy.kind === 'raw' ? copy.format : 'text';
  const sql = copyStatement(plan, format, more.freeze === true);
  // COMMIT is reached only by way of CopyDone (I6).
  const after = more.open === true || copy.kind === 'rows' ? '' : '; COMMIT';
  const result = await copyIn(client, `${more.before}${sql}${after}`, source, more.signal);
  if (result === answers.occupied) return null;
  if (typeof result === 'string') {
    await stopReading(copy);
    throw bulkError('PGS3006', 'the columns of the target were given other types while the copy was under way');
  }
  if (copy.kind === 'rows' && counted.rows !== result.rows) {
    throw bulkError('PGS3011', `${counted.rows} rows were sent and the target counted ${result.rows}`);
  }
  return result;
}

/** A table without columns has no column list, and rows all the same. */
export function copyStatement(plan: TablePlan, format: 'text' | 'binary', freeze: boolean): string {
  const names = plan.output.columns.map((column) => quoteIdent(column.name)).join(', ');
  const list = names === '' ? '' : ` (${names})`;
  return `COPY ${qualified(plan.output)}${list} FROM STDIN (FORMAT ${format}${freeze ? ', FREEZE' : ''}${format === 'text' ? ", ENCODING 'UTF8'" : ''})`;
}

/** A failure before the first frame must not leave the source's COPY open. */
async function started<T>(step: Promise<T>, copy: RawCopy | RowCopy): Promise<T> {
  try {
    return await step;
  } catch (error) {
    await stopReading(copy);
    throw error;
  }
}

/** `return` of a generator that was never asked for a value runs none of its clean-up, so one value is taken first. */
export async function stopReading(copy: RawCopy | RowCopy): Promise<void> {
  const iterable: AsyncIterable<unknown> = copy.kind === 'raw' ? copy.frames : copy.rows;
  const iterator = iterable[Symbol.asyncIterator]();
  try {
    await iterator.next();
    await iterator.return?.();
  } catch {
    // The source failed, too: it has ended, which is what was wanted.
  }
}

/** SQLSTATE classes of a row that the target does not take: data exception, integrity constraint, program limit. */
const rowStates = /^(?:22|23|54)/;

export function withPlace(error: unknown, plan: TablePlan, copy: RawCopy | RowCopy, context: PluginContext): Error {
  if (error instanceof RangeError) {
    return bulkError('PGS3011', error.message, { where: { chunk: copy.chunk.id }, cause: error });
  }
  const known = fromPg(error, { connection: context.name }, context.debugValues);
  const where = { ...known.where, table: relationName(plan.output), chunk: copy.chunk.id };
  const cause = known.cause instanceof pg.DatabaseError ? known.cause : null;
  if (cause?.code !== undefined && rowStates.test(cause.code)) {
    return bulkError('PGS3010', `${known.message}${columnOf(cause)}`, { where, cause });
  }
  return derived(known, { where, cause: known.cause ?? error });
}

/** `COPY t, line 3, column c: "value"` names the line and the column; the value stays out (I11). */
function columnOf(error: pg.DatabaseError): string {
  const match = /, line (\d+)(?:, column ([^:]+))?/.exec(error.where ?? '');
  if (match === null) return '';
  return ` (row ${match[1]} of the chunk${match[2] === undefined ? '' : `, column ${match[2]}`})`;
}
