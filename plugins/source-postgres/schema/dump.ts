import type { SchemaDump } from '../../../core/api/snapshot.ts';
import { readTarget } from '../../../core/postgres/target.ts';
import { sourceError } from '../errors.ts';
import type { TablesOption } from '../../../core/api/schemas.ts';
import { schemasLeftOut } from '../catalog/choose.ts';
import { type SourceAccess, ask, withClient } from '../session.ts';
import { snapshotIsGone } from '../snapshot/workers.ts';
import { besideDump, withBeside } from './beside-dump.ts';
import { type NativeDump, findNative, inspect, runNative } from './native.ts';
import { parseDump, withoutOurs } from './parse.ts';
import { runWasm, wasmVersion } from './wasm.ts';

/**
 * The source's schema by pg_dump: a native one of at least the source's major version if there is one, else 18 as
 * WebAssembly. PGSLUICE_PG_DUMP forces one: a path, or `wasm`. Throws PGS2130 on a failure, PGS2131 if the forced one
 * cannot be used.
 */
export async function dumpSchema(
  access: SourceAccess,
  { snapshot, tables }: { readonly snapshot: string | null; readonly tables: TablesOption },
  signal: AbortSignal,
): Promise<SchemaDump> {
  const { major, leave } = await ask(access, signal, async (client) => {
    const { rows } = await client.query<{ server_version_num: string }>('SHOW server_version_num');
    return {
      major: Math.floor(Number(rows[0]!.server_version_num) / 10_000),
      leave: await schemasLeftOut(client, tables),
    };
  });
  try {
    const dumping = dumpText(access, { snapshot, leave, major }, signal);
    const reading = withClient(access, signal, (client) => besideDump(client, snapshot));
    await Promise.allSettled([dumping, reading]);
    const { text, by } = await dumping;
    const objects = withBeside(withoutOurs(parseDump(text), access.publication), await reading);
    access.log.log('debug', 'schema-dumped', `${objects.length} objects by ${by}`, { objects: objects.length, by });
    return { objects, by };
  } catch (error) {
    // pg_dump reports this only in words.
    if (signal.aborted || snapshot === null || !(await snapshotIsGone(access, snapshot, signal))) throw error;
    throw sourceError('PGS2120', 'no connection holds the snapshot any longer', { cause: error });
  }
}

async function dumpText(
  access: SourceAccess,
  {
    snapshot,
    leave,
    major,
  }: { readonly snapshot: string | null; readonly leave: readonly string[]; readonly major: number },
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly by: string }> {
  const args = [
    ...dumpArguments(snapshot),
    ...leave.map((schema) => `--exclude-schema="${schema.replaceAll('"', '""')}"`),
  ];
  // The password of a client key has no environment variable, and arguments are visible to everyone (I11).
  const { keyPassword } = readTarget(access.connection.url, access.connection, access.name).tls;
  const native = keyPassword === undefined ? await chooseNative(major) : null;
  const text =
    native === null ? await runWasm(access, args, signal) : await runNative(native, access.connection, args, signal);
  return { text, by: `pg_dump ${native === null ? wasmVersion : native.version}` };
}

function dumpArguments(snapshot: string | null): readonly string[] {
  return [
    '--schema-only',
    '--no-subscriptions',
    '--no-tablespaces',
    '--exclude-schema=pgsluice',
    ...(snapshot === null ? [] : [`--snapshot=${snapshot}`]),
  ];
}

async function chooseNative(major: number): Promise<NativeDump | null> {
  const forced = process.env['PGSLUICE_PG_DUMP'] ?? '';
  if (forced === 'wasm') return null;
  if (forced === '') return findNative(major);
  const native = await inspect(forced);
  if (native === null) throw sourceError('PGS2131', `PGSLUICE_PG_DUMP=${forced} does not run as pg_dump`);
  if (native.major < major) {
    throw sourceError(
      'PGS2131',
      `${forced} is version ${native.version}, the source ${major}: pg_dump refuses newer servers`,
    );
  }
  return native;
}
