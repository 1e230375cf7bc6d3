import type { SourceCatalog, SourceTable } from '../../core/api/source.ts';
import { formatBytes } from '../../core/base/format.ts';
import { quoteIfNeeded } from './schema/parse.ts';
import { relationName } from '../../core/postgres/relation.ts';
import { type SnapshotOption, snapshotSchema } from '../../core/api/schemas.ts';
import { withDefaults } from '../../core/base/options.ts';

/** A commented pipeline file for what the source has. The URL itself, with its password, is not written into it. */
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
# transforms:
#   - plugin: filter
#     tables: ${largest[0] === undefined ? 'public.orders' : relationName(largest[0].relation)}
#     where: created_at >= '2024-01-01'
#   - plugin: rename
#     tables: public.customer
#     to: crm.account
sinks:
  - plugin: postgres
    url: \${TARGET_URL}
    schema: create
`;
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
