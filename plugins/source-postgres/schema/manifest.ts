import type { SchemaReader } from '../../../core/api/schema-reader.ts';
import { readManifestOf } from '../../../core/postgres/manifest/read-client.ts';
import { stateSchema } from '../../../core/postgres/state-schema.ts';
import { objectNames } from '../ddl/install-sql.ts';
import { besideOf } from '../names.ts';
import { type SourceAccess, withClient } from '../session.ts';

/** The source's schema, without publications and event triggers of ours. */
export function schemaReader(access: SourceAccess): SchemaReader {
  const { slot, publication } = access;
  const exceptNames = [publication, besideOf(access).publication, ...objectNames(slot).triggers];
  return {
    read: (signal) =>
      withClient(access, signal, async (client) => ({
        manifest: await readManifestOf(client, { except: [stateSchema], exceptNames }),
        pending: new Map<string, null>(),
        owners: true,
        scope: 'database' as const,
      })),
  };
}
