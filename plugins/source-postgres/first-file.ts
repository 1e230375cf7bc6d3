import type { SourceCatalog, SourceTable } from '../../core/api/source.ts';
import { formatBytes } from '../../core/base/format.ts';
import { quoteIfNeeded } from './schema/parse.ts';
import { type Relation, relationName } from '../../core/postgres/relation.ts';
import { type SnapshotOption, snapshotSchema } from '../../core/api/schemas.ts';
import { withDefaults } from '../../core/base/options.ts';

/** A commented pipeline file for the source. The URL itself, with its password, is not written into it. */
export function firstFile(pipeline: string, catalog: SourceCatalog): string {
  const { identity, tables } = catalog;
  const { workers, chunk_size: chunkBytes } = withDefaults<SnapshotOption>(snapshotSchema, {});
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const schemas = [...new Set(tables.map(({ relation }) => relation.schema))].sort();
  const largest = [...tables].sort((a, b) => b.bytes - a.bytes).slice(0, 5);
  return `# yaml-language-server: $schema=./pipeline.schema.json
# ${oneLine(identity.database)} on PostgreSQL ${Math.floor(identity.version / 10_000)}: ${tables.length} tables, ${formatBytes(bytes)}.
# Largest: ${largest.map((table) => `${oneLine(relationName(table.relation))} (${formatBytes(table.bytes)})`).join(', ')}.
${keyless(tables)}pipeline: ${pipeline}
source:
  plugin: postgres
  url: \${SOURCE_URL}
  tables:
    include: [${schemas.map((schema) => JSON.stringify(`${schema}.*`)).join(', ')}]
    # exclude: ["public.audit_*"]
  snapshot:
    workers: ${workers}
    chunk_size: ${chunkBytes / 2 ** 20}MB
${examples(largest.map(({ relation }) => relation))}sinks:
  - plugin: postgres
    url: \${TARGET_URL}
    schema: create
`;
}

const times: ReadonlySet<string> = new Set(['date', 'timestamp without time zone', 'timestamp with time zone']);

/** Commented transforms of existing tables and columns, so that they work once the # is removed. */
function examples([first, second = first]: readonly Relation[]): string {
  if (first === undefined || second === undefined) return '';
  const columns = first.columns.filter((column) => column.generated === 'never');
  const time = columns.find(({ typeName }) => times.has(typeName.replace(/\(\d+\)/, '')));
  const name = quoteIfNeeded((time ?? columns[0])?.name ?? 'id');
  const where = time === undefined ? `${name} IS NOT NULL` : `${name} >= '2024-01-01'`;
  const lines = [
    'transforms:',
    '  - plugin: filter',
    `    tables: ${JSON.stringify(pattern(first))}`,
    `    where: ${JSON.stringify(where)}`,
    '  - plugin: rename',
    `    tables: ${JSON.stringify(pattern(second))}`,
    '    to: "{schema}.{table}_moved"',
  ];
  return lines.map((line) => `# ${line}\n`).join('');
}

/** A glob that matches only this table: a star in its name becomes any one character. */
function pattern(relation: Relation): string {
  return relationName(relation).replaceAll('*', '?');
}

function keyless(tables: readonly SourceTable[]): string {
  const without = tables.filter(
    ({ relation: { identity } }) =>
      identity.kind === 'nothing' || (identity.kind === 'key' && identity.positions.length === 0),
  );
  if (without.length === 0) return '';
  const lines = without.map(
    ({ relation }) =>
      `#   ALTER TABLE ${quoteIfNeeded(relation.schema)}.${quoteIfNeeded(relation.name)} REPLICA IDENTITY FULL;`,
  );
  return `# These tables have no key to find a row by; before they are replicated they need one, or:\n${lines.join('\n')}\n`;
}

/** Names may hold line ends; a comment ends at one. */
function oneLine(name: string): string {
  return name.replace(/\s/g, ' ');
}
