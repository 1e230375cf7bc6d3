import type pg from 'pg';
import type { TablesOption } from '../../../core/api/schemas.ts';
import type { SchemaSource } from '../../../core/api/source-database.ts';
import { readManifestOf } from '../../../core/postgres/manifest/read-client.ts';
import { readSequences } from '../../../core/postgres/sequences.ts';
import { stateSchema } from '../../../core/postgres/state-schema.ts';
import { readCatalog, readIdentity } from '../catalog/catalog.ts';
import { schemasLeftOut } from '../catalog/choose.ts';
import { readDependents } from '../ddl/dependents.ts';
import { objectNames } from '../ddl/objects.ts';
import { besideOf } from '../names.ts';
import { primaryOf } from '../primary.ts';
import { type SourceAccess, ask, withClient } from '../session.ts';
import { readSurroundings } from '../surroundings.ts';
import { dumpSchema } from './dump.ts';

/** The source's schema, without our publications and event triggers. */
export function schemaSource(access: SourceAccess, tables: TablesOption): SchemaSource {
  const { slot, publication } = access;
  const exceptNames = [publication, besideOf(access).publication, ...objectNames(slot).triggers];
  const except = async (client: pg.Client) => [stateSchema, ...(await schemasLeftOut(client, tables))];
  return {
    read: (signal) =>
      withClient(access, signal, async (client) => ({
        manifest: await readManifestOf(client, { except: await except(client), exceptNames }),
        pending: new Map<string, null>(),
        owners: true,
        scope: 'database' as const,
      })),
    dump: (session, signal) => dumpSchema(access, { snapshot: session?.name ?? null, tables }, signal),
    surroundings: (signal, catalog) =>
      ask(access, signal, async (client) =>
        readSurroundings(
          client,
          catalog ?? (await readCatalog(client, await readIdentity(client), tables)),
          await except(client),
        ),
      ),
    dependents: (going, signal) => ask(access, signal, (client) => readDependents(client, going)),
    // On a standby sequences are ahead of the values drawn so far, and behind those being drawn.
    sequences: (signal) => withClient(primaryOf(access), signal, readSequences),
  };
}
