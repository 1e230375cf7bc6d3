import { once } from 'node:events';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { ident, qualified, statementSql, text } from './print.ts';
import type { Row, Script, SessionStep, Statement } from './script.ts';
import { connect, type Side } from './sides.ts';

/** SQLSTATEs by which the source refuses a write because of a publication (I10). */
const refusals: ReadonlySet<string> = new Set(['55000', '42P10', '0A000']);
const refusal = /replica identity|publication|publish/i;

interface Session {
  readonly client: pg.Client;
  open: boolean;
  guarded: boolean;
  /** The open transaction holds a table for itself: whoever reads the catalog waits for it. */
  locking: boolean;
}

/** The connections that write on the source, one statement at a time, so that a script always does the same. */
export class Sessions {
  /** Writes that failed because the table is published. */
  readonly refused: string[] = [];
  done = 0;
  failed = 0;
  readonly #source: Side;
  readonly #script: Script;
  readonly #sessions = new Map<number, Session>();
  readonly #prepared = new Set<string>();
  #locked = false;

  constructor(source: Side, script: Script) {
    this.#source = source;
    this.#script = script;
  }

  /** A transaction is open, or prepared. */
  get busy(): boolean {
    return this.#prepared.size > 0 || [...this.#sessions.values()].some(({ open }) => open);
  }

  /** A transaction that is open or prepared holds a table for itself. */
  get locking(): boolean {
    return this.#locked || [...this.#sessions.values()].some(({ open, locking }) => open && locking);
  }

  async step(step: SessionStep): Promise<void> {
    const session = await this.#session(step.on);
    const { client } = session;
    switch (step.op) {
      case 'begin':
        Object.assign(session, { open: true, guarded: step.guarded, locking: false });
        return this.#try(session, 'BEGIN');
      case 'commit':
      case 'rollback':
        await this.#try(session, step.op);
        session.open = false;
        return;
      case 'prepare': {
        if (!session.open) return;
        session.open = false;
        const gid = this.#gid(step.name);
        const { command } = await client.query(`PREPARE TRANSACTION ${gid}`).catch(() => ({ command: '' }));
        // A failed transaction is rolled back instead.
        if (command === 'PREPARE') {
          this.#prepared.add(gid);
          this.#locked ||= session.locking;
        } else await client.query('ROLLBACK');
        return;
      }
      case 'commit prepared':
      case 'rollback prepared':
        return this.#second(step.op, this.#gid(step.name));
      case 'savepoint':
      case 'release':
      case 'rollback to':
        return session.open ? this.#try(session, `${step.op} ${step.name}`) : undefined;
      case 'do':
        return this.#statement(session, step.statement);
      default:
        step satisfies never;
    }
  }

  /** Everything open is rolled back, and what is prepared. */
  async end(): Promise<void> {
    for (const { client } of this.#sessions.values()) await client.end().catch(() => {});
    this.#sessions.clear();
    for (const gid of this.#prepared) await this.#second('commit prepared', gid);
    this.#locked = false;
    for (const { client } of this.#sessions.values()) await client.end().catch(() => {});
    this.#sessions.clear();
  }

  /** In a session of its own, which has no transaction open. */
  async #second(op: string, gid: string): Promise<void> {
    if (this.#prepared.delete(gid)) await this.#try(await this.#session(-1), `${op} ${gid}`);
  }

  /** Names of prepared transactions are the server's. */
  #gid(name: string): string {
    return text(`${this.#source.database} ${name}`);
  }

  async #session(on: number): Promise<Session> {
    let session = this.#sessions.get(on);
    if (session === undefined) {
      const client = await connect(this.#source, `writer ${on}`);
      await client.query(`SET lock_timeout = '60ms'; SET statement_timeout = '60s'; SET TimeZone = 'UTC'`);
      session = { client, open: false, guarded: false, locking: false };
      this.#sessions.set(on, session);
    }
    return session;
  }

  async #statement(session: Session, statement: Statement): Promise<void> {
    const sql = statementSql(statement, this.#script);
    if (sql === null) return;
    const guarded = session.open && session.guarded;
    session.locking ||= statement.op === 'ddl' || statement.op === 'truncate';
    if (guarded) await this.#try(session, 'SAVEPOINT guard');
    const before = this.failed;
    // The copy of the first run reads the table; that it is altered is what the script is about.
    if (statement.op === 'ddl') await this.#try(session, `SET lock_timeout = '20s'`);
    if (statement.op === 'copy') await this.#copy(session, statement);
    else await this.#try(session, sql);
    if (statement.op === 'ddl') await this.#try(session, `SET lock_timeout = '60ms'`);
    if (guarded) await this.#try(session, this.failed > before ? 'ROLLBACK TO guard' : 'RELEASE guard');
  }

  async #try({ client }: Session, sql: string): Promise<void> {
    try {
      await client.query(sql);
      this.done++;
    } catch (error) {
      this.#failure(error, sql);
    }
  }

  async #copy({ client }: Session, statement: Statement & { op: 'copy' }): Promise<void> {
    const table = this.#script.tables.find(({ id }) => id === statement.table)!;
    const columns = [...new Set(statement.rows.flatMap((row) => Object.keys(row)))];
    const list = columns.length === 0 ? '' : ` (${columns.map(ident).join(', ')})`;
    const stream = client.query(copyFrom(`COPY ${qualified(table)}${list} FROM STDIN`));
    const ended = Promise.race([
      once(stream, 'finish'),
      once(stream, 'error').then(([error]) => Promise.reject(error)),
    ]);
    stream.end(statement.rows.map((row) => `${copyLine(row, columns)}\n`).join(''));
    try {
      await ended;
      this.done++;
    } catch (error) {
      this.#failure(error, `COPY ${qualified(table)}`);
    }
  }

  #failure(error: unknown, sql: string): void {
    this.failed++;
    const { code = '', message = '', detail = '' } = error as { code?: string; message?: string; detail?: string };
    if (process.env['FUZZ_DEBUG'] !== undefined && code !== '25P02')
      console.log(`    ${code} ${message}: ${sql.slice(0, 200)}`);
    if (refusals.has(code) && refusal.test(`${message} ${detail}`))
      this.refused.push(`${code} ${message}: ${sql.slice(0, 300)}`);
  }
}

function copyLine(row: Row, columns: readonly string[]): string {
  return columns
    .map((name) => {
      const value = row[name];
      if (typeof value !== 'string') return '\\N';
      return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
    })
    .join('\t');
}
