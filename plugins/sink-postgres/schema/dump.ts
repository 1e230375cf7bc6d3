import type pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import type { SchemaDump, SchemaObject } from '../../../core/api/snapshot.ts';
import { quoteIdent, quoteLiteral, thisDatabase } from '../../../core/postgres/quote.ts';
import { batches } from '../batches.ts';
import { type PostgresSinkOptions, schemaExclude } from '../options.ts';
import type { Owner } from '../state.ts';
import { type LeftOut, type RolesHere, fitRoles, isGrant } from './fit-roles.ts';
import { noteLeftOut, tellLeftOut } from './left-out.ts';
import { notNullApart } from './not-null.ts';
import { readTargetRoles, refuseLeftOut, rolesHere } from './roles.ts';
import { nameOf, tokensOf } from './statements.ts';

/**
 * Created after the data: an event trigger would fire at our own statements, a setting would apply to our own sessions.
 */
const late = new Set(['EVENT TRIGGER', 'DATABASE SETTING', 'ROLE SETTING']);

export interface StoreContext {
  readonly options: PostgresSinkOptions;
  readonly log: Logger;
  readonly connection: string;
}

/**
 * Stores the source's schema in the state, so that a restore which was killed continues with exactly the same objects,
 * whatever has changed on the source since. Called in the transaction that notes the phase.
 */
export async function storeDump(
  client: pg.Client,
  owner: Owner,
  dump: SchemaDump,
  context: StoreContext,
): Promise<void> {
  const roles = await readTargetRoles(client);
  const here = rolesHere(roles, context.options);
  const exclude = schemaExclude(context.options);
  const wanted = dump.objects.filter((object) => isOurs(object) && !isExcluded(object, exclude));
  const { objects, left } = fitted(wanted, here, roles.version);
  refuseLeftOut(
    left.map(({ role }) => role),
    context.options,
    context.connection,
  );
  await noteLeftOut(client, owner, tellLeftOut(left, context.log));
  // In groups: as one statement, all objects would be in memory three times.
  let ordinal = 0;
  const name = await databaseName(client);
  for (const group of batches(objects, 1000)) {
    await store(
      client,
      owner,
      group.map((object) => ({ ...object, sql: object.sql.replaceAll(thisDatabase, name) })),
      ordinal,
    );
    ordinal += group.length;
  }
}

/**
 * Each object in a form that the target accepts. A superuser sets owners with the object. Any other user sets them
 * after all objects and before the grants, as an object that belongs to another role can no longer be altered freely.
 */
export function fitted(
  wanted: readonly SchemaObject[],
  here: RolesHere,
  version: number,
): { readonly objects: readonly SchemaObject[]; readonly left: readonly LeftOut[] } {
  const objects: SchemaObject[] = [];
  const grants: SchemaObject[] = [];
  const owners: SchemaObject[] = [];
  const left: LeftOut[] = [];
  for (const one of wanted) {
    const object = version < 180_000 ? notNullApart(one) : one;
    const fit = fitRoles(object, here);
    left.push(...fit.left);
    if (fit.owner !== null && !here.superuser) owners.push(ownerObject(object, fit.owner));
    const sql = fit.owner !== null && here.superuser ? `${fit.sql ?? ''}\n\n${fit.owner}` : fit.sql;
    if (sql === null) continue;
    (isGrant(object) ? grants : objects).push({ ...object, sql });
  }
  // Schemas last: the owner of a schema decides who may own objects in it.
  const order = owners.toSorted((a, b) => Number(a.name.startsWith('SCHEMA ')) - Number(b.name.startsWith('SCHEMA ')));
  return { objects: [...objects, ...order, ...grants], left };
}

/** The new owner needs CREATE on the schema, which it may not have on the source either: it is granted temporarily. */
function ownerObject(object: SchemaObject, statement: string): SchemaObject {
  const name = `${object.type} ${object.name}`;
  if (object.schema === null) return { ...object, type: 'OWNER', name, sql: statement };
  const role = nameOf(tokensOf(statement).findLast(({ text }) => text !== ';')!.text);
  const [schema, to] = [quoteIdent(object.schema), quoteIdent(role)];
  const has = `pg_catalog.has_schema_privilege(${quoteLiteral(role)}, ${quoteLiteral(object.schema)}, 'CREATE')`;
  const grant = (sql: string): string => `IF lacks THEN EXECUTE ${quoteLiteral(sql)}; END IF;`;
  const body = `DECLARE lacks CONSTANT boolean := NOT ${has};
BEGIN
  ${grant(`GRANT CREATE ON SCHEMA ${schema} TO ${to}`)}
  EXECUTE ${quoteLiteral(statement)};
  ${grant(`REVOKE CREATE ON SCHEMA ${schema} FROM ${to}`)}
END`;
  return { ...object, type: 'OWNER', name, sql: `DO ${quoteLiteral(body)};` };
}

async function databaseName(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
  return quoteIdent(rows[0]!.name);
}

async function store(client: pg.Client, owner: Owner, objects: readonly SchemaObject[], after: number): Promise<void> {
  await client.query(
    `INSERT INTO pgsluice.bulk_object (pipeline, sink, ordinal, type, name, sql, late)
     SELECT $1, $2, o.ordinal, o.type, o.name, o.sql, o.late
     FROM unnest($3::int[], $4::text[], $5::text[], $6::text[], $7::boolean[]) AS o (ordinal, type, name, sql, late)`,
    [
      owner.pipeline,
      owner.sink,
      objects.map((_, i) => after + i + 1),
      objects.map((o) => o.type),
      objects.map((o) => (o.schema === null ? o.name : `${o.schema}.${o.name}`)),
      objects.map((o) => o.sql),
      objects.map((o) => late.has(o.type)),
    ],
  );
}

/**
 * Objects for replication from the source are of no use here; subscriptions would start to replicate, and check reports
 * them.
 */
function isOurs(object: SchemaObject): boolean {
  if (object.schema === 'pgsluice' || (object.type === 'SCHEMA' && object.name === 'pgsluice')) return false;
  if (object.type.startsWith('PUBLICATION') && object.name.startsWith('pgsluice')) return false;
  return !object.type.startsWith('SUBSCRIPTION');
}

type Excluded = ReturnType<typeof schemaExclude>;

/** Extensions by their name; schemas with all objects in them, and statements about either (comments, grants). */
export function isExcluded(object: SchemaObject, { extensions, schemas }: Excluded): boolean {
  const about = (kind: string, names: readonly string[]): boolean =>
    object.type === kind
      ? names.includes(object.name)
      : names.some((name) => object.name === `${kind} ${name}` || object.name === `${kind} ${quoteIdent(name)}`);
  if (about('EXTENSION', extensions) || about('SCHEMA', schemas)) return true;
  if (object.schema !== null && schemas.includes(object.schema)) return true;
  return object.type === 'EXTENSION CONFIGURATION' && extensions.includes(object.owner ?? '');
}
