import type pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import type { Oid } from '../../../core/postgres/relation.ts';
import type { LargeObjectSink } from '../../../core/api/sink.ts';
import type { LargeObject } from '../../../core/api/snapshot.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { bulkError } from '../errors.ts';
import { type PostgresSinkOptions, schemaMode } from '../options.ts';
import type { RolesHere } from '../schema/fit-roles.ts';
import { readTargetRoles, refuseLeftOut, rolesHere } from '../schema/roles.ts';
import type { Sessions } from '../sessions.ts';
import type { Owner } from '../state.ts';

/** SQL of metadata that is sent at once. */
const perStatement = 500;

/**
 * Large objects under the oids of the source. How far they are stands in the transaction that writes them, so that after
 * a kill none is made twice and one that the target has of its own is never replaced.
 */
export class PostgresLargeObjects implements LargeObjectSink {
  readonly #sessions: Sessions;
  readonly #owner: Owner;
  readonly #options: PostgresSinkOptions;
  readonly #log: Logger;
  #here: RolesHere | null = null;
  #told = false;

  constructor(sessions: Sessions, owner: Owner, more: { readonly options: PostgresSinkOptions; readonly log: Logger }) {
    this.#sessions = sessions;
    this.#owner = owner;
    this.#options = more.options;
    this.#log = more.log;
  }

  async from(signal: AbortSignal): Promise<Oid | null> {
    signal.throwIfAborted();
    const wanted = this.#options.large_objects;
    if ((wanted ?? (schemaMode(this.#options) === 'create' ? 'copy' : 'skip')) === 'skip') return null;
    return this.#sessions.query(async (client) => {
      const { rows } = await client.query<{ up_to: string; done: string }>(
        'SELECT up_to, done::text FROM pgsluice.large_object WHERE pipeline = $1 AND sink = $2',
        [this.#owner.pipeline, this.#owner.sink],
      );
      const row = rows[0];
      if (row === undefined) return 0;
      return row.done === 'true' ? null : Number(row.up_to);
    });
  }

  async write(objects: readonly LargeObject[], signal: AbortSignal): Promise<void> {
    const last = objects.at(-1);
    if (last === undefined) return;
    const roles = await this.#roles(objects);
    try {
      await this.#sessions.transaction(async (client) => {
        await makeAll(client, objects);
        for (const object of objects) await append(client, object, signal);
        const statements = objects.flatMap((object) => metadata(object, roles));
        for (let at = 0; at < statements.length; at += perStatement)
          await client.query(statements.slice(at, at + perStatement).join('; '));
        await this.#mark(client, last.oid, false);
      });
      failpoint('large-objects');
    } catch (error) {
      throw refused(error);
    }
  }

  async done(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#sessions.transaction((client) => this.#mark(client, 0, true), true);
  }

  async #mark(client: pg.Client, upTo: Oid, done: boolean): Promise<void> {
    await client.query(
      `INSERT INTO pgsluice.large_object (pipeline, sink, up_to, done) VALUES ($1, $2, $3, $4)
       ON CONFLICT (pipeline, sink) DO UPDATE SET (up_to, done) = (excluded.up_to, excluded.done)`,
      [this.#owner.pipeline, this.#owner.sink, upTo, done],
    );
  }

  /** Owners and grants of roles that the target lacks are left out where the file does not insist. */
  async #roles(objects: readonly LargeObject[]): Promise<RolesHere> {
    this.#here ??= rolesHere(await this.#sessions.query(readTargetRoles), this.#options);
    const here = this.#here;
    if (!here.wanted) return here;
    const named = objects.flatMap(({ owner, grants }) => [owner, ...(grants ?? []).map(({ grantee }) => grantee)]);
    const missing = [...new Set(named)].filter((role) => role !== '' && here.nameFor(role) === null);
    refuseLeftOut(missing, this.#options, this.#sessions.name);
    if (missing.length > 0 && !this.#told) {
      this.#told = true;
      const names = missing.join(', ');
      this.#log.log('warn', 'owners-skipped', `owners and grants of large objects are left out for ${names}`, {
        roles: names,
      });
    }
    return here;
  }
}

async function makeAll(client: pg.Client, objects: readonly LargeObject[]): Promise<void> {
  await client.query(
    'SELECT count(lo_from_bytea(o.oid, o.data)) FROM unnest($1::oid[], $2::bytea[]) AS o (oid, data)',
    [objects.map((object) => object.oid), objects.map((object) => object.first)],
  );
}

async function append(client: pg.Client, object: LargeObject, signal: AbortSignal): Promise<void> {
  if (object.rest === null) return;
  let at = (object.first.length - 2) / 2;
  for await (const piece of object.rest) {
    signal.throwIfAborted();
    await client.query('SELECT lo_put($1, $2, $3::bytea)', [object.oid, at, piece]);
    at += (piece.length - 2) / 2;
  }
}

/** Rights before the owner, as whoever gives an object away may no longer grant on it. */
function metadata(object: LargeObject, here: RolesHere): string[] {
  const name = `LARGE OBJECT ${object.oid}`;
  const statements: string[] = [];
  if (object.comment !== null) statements.push(`COMMENT ON ${name} IS ${quoteLiteral(object.comment)}`);
  if (!here.wanted) return statements;
  const to = here.nameFor(object.owner);
  if (to !== null && here.mayOwn(to)) {
    statements.push(`ALTER ${name} OWNER TO ${quoteIdent(to)}`);
    if (object.grants !== null) statements.push(`REVOKE ALL ON ${name} FROM ${quoteIdent(to)}`);
  }
  for (const { grantee, privilege, grantable } of object.grants ?? []) {
    const role = grantee === '' ? 'PUBLIC' : here.nameFor(grantee);
    if (role === null) continue;
    const quoted = grantee === '' ? role : quoteIdent(role);
    statements.push(`GRANT ${privilege} ON ${name} TO ${quoted}${grantable ? ' WITH GRANT OPTION' : ''}`);
  }
  return statements;
}

function refused(error: unknown): Error {
  const known = fromPg(error, {});
  if (known.code !== 'PGS2007') return known;
  return bulkError('PGS3008', known.message, { where: known.where, cause: known.cause ?? error });
}
