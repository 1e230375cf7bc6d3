import type pg from 'pg';
import type { Finding, Surroundings } from '../../../core/api/check.ts';
import type { TablePlan } from '../../../core/api/plan.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { type PostgresSinkOptions, schemaExclude, schemaMode } from '../options.ts';
import { type TargetRoles, readTargetRoles } from '../schema/roles.ts';
import { roleFindings } from './roles.ts';

/** The target's properties on which the source's schema depends. */
export interface TargetSurroundings {
  readonly version: number;
  readonly encoding: string;
  readonly locale: string;
  /** Installed version, or the version that CREATE EXTENSION would install. */
  readonly extensions: ReadonlyMap<string, string>;
  readonly roles: TargetRoles;
  /** `[role, member]` as JSON. */
  readonly memberships: ReadonlySet<string>;
  readonly user: string;
  readonly collations: ReadonlySet<string>;
  /** Existing schemas in which the user may not create objects. */
  readonly closed: readonly string[];
}

type Found = Omit<Finding, 'subject'>;

export async function readTarget(client: pg.Client, version: number): Promise<TargetSurroundings> {
  const { rows: extensions } = await client.query<{ name: string; version: string }>(
    'SELECT name, coalesce(installed_version, default_version) AS version FROM pg_available_extensions',
  );
  const { rows: members } = await client.query<{ role: string; member: string }>(
    `SELECT r.rolname AS role, m.rolname AS member FROM pg_auth_members a
     JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member`,
  );
  const { rows: collations } = await client.query<{ name: string }>(
    `SELECT collname AS name FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace
       AND collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))`,
  );
  const { rows: closed } = await client.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace
     WHERE NOT (has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE')) ORDER BY 1`,
  );
  const { rows } = await client.query<{ encoding: string; locale: string; usr: string }>(
    `SELECT current_user AS usr, pg_encoding_to_char(encoding) AS encoding, datcollate || ' / ' || datctype AS locale
     FROM pg_database WHERE datname = current_database()`,
  );
  return {
    version,
    encoding: rows[0]!.encoding,
    locale: rows[0]!.locale,
    extensions: new Map(extensions.map((each) => [each.name, each.version])),
    roles: await readTargetRoles(client),
    memberships: new Set(members.map(({ role, member }) => JSON.stringify([role, member]))),
    user: rows[0]!.usr,
    collations: new Set(collations.map(({ name }) => name)),
    closed: closed.map(({ name }) => name),
  };
}

/** Pure: each difference with its remedy. With `schema: existing` the schema is the user's, and only values count. */
export function surroundingFindings(
  source: Surroundings,
  target: TargetSurroundings,
  options: PostgresSinkOptions,
): Found[] {
  const creates = schemaMode(options) === 'create';
  return [
    direction(source, target),
    ...(creates
      ? [
          ...closedSchemas(source, target, options),
          ...extensions(source, target, options),
          ...roleFindings(source, target, options),
          ...collations(source, target),
        ]
      : []),
    locale(source, target),
    {
      check: 'target-disk',
      level: 'ok',
      message: `about ${megabytes(source.bytes)} of tables will come, and their indexes and WAL; a server does not tell how much room it has`,
      remedy: null,
    },
  ];
}

function direction(source: Surroundings, target: TargetSurroundings): Found {
  const [from, to] = [major(source.version), major(target.version)];
  const check = 'target-direction';
  if (to >= from) return { check, level: 'ok', message: `from PostgreSQL ${from} to ${to}`, remedy: null };
  const message = `from PostgreSQL ${from} back to ${to}: what only ${from} knows in its schema fails when it is made`;
  return { check, level: 'warning', message, remedy: `Use a target of version ${from} or later.` };
}

function extensions(source: Surroundings, target: TargetSurroundings, options: PostgresSinkOptions): Found[] {
  const check = 'target-extensions';
  const excluded = schemaExclude(options).extensions;
  const wanted = source.extensions.filter(({ name }) => !excluded.includes(name));
  const found = wanted.flatMap(({ name, version }): Found[] => {
    const there = target.extensions.get(name);
    if (there === undefined) {
      const remedy = `Install the package that has the extension ${name} on the target's machine; or, where nothing that is copied needs it, schema: { exclude: { extensions: [${JSON.stringify(name)}] } }.`;
      return [{ check, level: 'error', message: `the target has no extension ${name}`, remedy }];
    }
    if (compareVersions(there, version) >= 0) return [];
    const message = `extension ${name} is ${version} on the source, the target has ${there}`;
    const remedy = `Install ${name} ${version} or later on the target's machine; ALTER EXTENSION ${quoteIdent(name)} UPDATE; where it is there already.`;
    return [{ check, level: 'warning', message, remedy }];
  });
  if (found.length > 0) return found;
  const newer = wanted.filter(({ name, version }) => target.extensions.get(name) !== version);
  const others = newer.map(({ name, version }) => `${name} ${version} will be ${target.extensions.get(name)}`);
  const left = excluded.length === 0 ? [] : [`left out: ${excluded.join(', ')}`];
  const message = [`${wanted.length} extensions, all there`, ...others, ...left].join('; ');
  return [{ check, level: 'ok', message, remedy: null }];
}

/** All objects are created under the source's names first, and then renamed. Pure. */
export function schemasNeeded({ schemas }: Surroundings, plans: readonly TablePlan[]): string[] {
  return [...new Set([...schemas, ...plans.map(({ output }) => output.schema)])].toSorted();
}

/** `public` from 15 on, if the role does not own the database. */
function closedSchemas(source: Surroundings, target: TargetSurroundings, options: PostgresSinkOptions): Found[] {
  const { schemas: excluded } = schemaExclude(options);
  return source.schemas
    .filter((name) => target.closed.includes(name) && !excluded.includes(name))
    .map((name) => ({
      check: 'target-create',
      level: 'error',
      message: `${target.user} may not create objects in the schema ${name}`,
      remedy: `GRANT USAGE, CREATE ON SCHEMA ${quoteIdent(name)} TO ${quoteIdent(target.user)};`,
    }));
}

function collations(source: Surroundings, target: TargetSurroundings): Found[] {
  return source.collations
    .filter((name) => !target.collations.has(name))
    .map((name) => ({
      check: 'target-collations',
      level: 'error' as const,
      message: `a column uses the collation ${name}, which the target does not have`,
      remedy: `Install the locale on the target's machine, then SELECT pg_import_system_collations('pg_catalog');`,
    }));
}

function locale(source: Surroundings, target: TargetSurroundings): Found {
  const check = 'target-locale';
  if (source.encoding !== target.encoding) {
    const message = `the source is ${source.encoding}, the target ${target.encoding}: a character that one lacks stops the copy`;
    const remedy = `CREATE DATABASE … ENCODING '${source.encoding}' TEMPLATE template0;`;
    return { check, level: 'warning', message, remedy };
  }
  if (source.locale !== target.locale) {
    const message = `the source's locale is ${source.locale}, the target's ${target.locale}: text is sorted and changed in case otherwise`;
    const [collate, ctype] = source.locale.split(' / ');
    const remedy = `CREATE DATABASE … LC_COLLATE '${collate}' LC_CTYPE '${ctype}' TEMPLATE template0;`;
    return { check, level: 'warning', message, remedy };
  }
  return { check, level: 'ok', message: `${target.encoding}, ${target.locale}`, remedy: null };
}

function major(version: number): number {
  return Math.floor(version / 10_000);
}

/** Number by number: 1.10 is later than 1.9. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split(/\D+/).map(Number));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const by = (left![i] ?? 0) - (right![i] ?? 0);
    if (by !== 0) return by;
  }
  return 0;
}

function megabytes(bytes: number): string {
  return `${Math.max(1, Math.round(bytes / 1024 / 1024))} MB`;
}
