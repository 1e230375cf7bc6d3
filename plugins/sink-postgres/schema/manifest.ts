import type pg from 'pg';
import type { SchemaReader, SchemaView } from '../../../core/api/schema-reader.ts';
import { readManifestOf } from '../../../core/postgres/manifest/read-client.ts';
import { objectKey } from '../../../core/postgres/manifest/types.ts';
import { stateSchema } from '../../../core/postgres/state-schema.ts';
import { type PostgresSinkOptions, roleMap, schemaExclude, schemaMode } from '../options.ts';
import type { Sessions } from '../sessions.ts';
import { type Owner, bulkStateExists } from '../state.ts';
import { readTargetRoles } from './roles.ts';

/** The target's schema, and the parts of it that wait for the cutover. */
export function schemaReader(sessions: Sessions, owner: Owner, options: PostgresSinkOptions): SchemaReader {
  return {
    read: async (signal) => {
      signal.throwIfAborted();
      return sessions.query(async (client) => ({
        // The waiting parts are read first: a part that is built meanwhile then counts as waiting, never as missing.
        pending: await pendingKeys(client, owner),
        manifest: await readManifestOf(client, { except: [stateSchema] }),
        // A user who made the schema by hand chose its owners, unless the file says otherwise.
        owners: options.owners === undefined ? schemaMode(options) === 'create' : options.owners !== 'skip',
        grants: options.owners !== 'skip',
        ...(await ownableBy(client, options)),
        scope: schemaMode(options) === 'existing' ? ('tables' as const) : ('database' as const),
        exclude: schemaExclude(options),
        roles: roleMap(options),
      }));
    },
  };
}

/** `owners: keep` wants them whatever privileges our role has. */
async function ownableBy(client: pg.Client, options: PostgresSinkOptions): Promise<Pick<SchemaView, 'mayOwn'>> {
  if (options.owners === 'keep') return {};
  const { superuser, ownable } = await readTargetRoles(client);
  return superuser ? {} : { mayOwn: ownable };
}

/** Definitions that are set aside, and objects of the dump that are created last. */
async function pendingKeys(client: pg.Client, owner: Owner): Promise<SchemaView['pending']> {
  const keys = new Map<string, readonly string[] | null>();
  if (!(await bulkStateExists(client))) return keys;
  const { rows } = await client.query<{ kind: string; schema: string; table: string; name: string }>(
    `SELECT d.kind, n.nspname AS schema, c.relname AS table, d.name FROM ${stateSchema}.definition d
     JOIN pg_class c ON c.oid = d.relid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE d.pipeline = $1 AND d.sink = $2 AND d.status <> 'built'
       -- What is kept off is there; one that somebody dropped does not come back by itself.
       AND (d.kind <> 'trigger' OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = d.relid AND g.tgname = d.name))
       AND (d.kind <> 'rule' OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = d.relid AND r.rulename = d.name))`,
    [owner.pipeline, owner.sink],
  );
  for (const { kind, schema, table, name } of rows) {
    if (kind === 'trigger' || kind === 'rule') keys.set(objectKey(kind, [schema, table, name]), ['enabled']);
    else if (kind === 'row security')
      keys.set(objectKey('table', [schema, table]), ['row security', 'forced row security']);
    else {
      keys.set(objectKey('constraint', [schema, table, name]), null);
      keys.set(objectKey('index', [schema, name]), null);
    }
  }
  const { rows: late } = await client.query<{ name: string }>(
    `SELECT o.name FROM ${stateSchema}.bulk_object o JOIN ${stateSchema}.bulk b USING (pipeline, sink)
     WHERE o.pipeline = $1 AND o.sink = $2 AND o.late AND o.type = 'EVENT TRIGGER' AND b.phase <> 'finished'`,
    [owner.pipeline, owner.sink],
  );
  for (const { name } of late) keys.set(objectKey('event trigger', [name]), null);
  return keys;
}
