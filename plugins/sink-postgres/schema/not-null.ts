import type { SchemaObject } from '../../../core/api/snapshot.ts';
import { type Token, tokensOf } from './statements.ts';

/**
 * pg_dump 18 writes a NOT NULL of an inherited column as a constraint of the table, which servers before 18 cannot
 * parse: for those it becomes a separate statement after CREATE TABLE, as pg_dump 17 writes it. The constraint's name
 * cannot be given there.
 */
export function notNullApart(object: SchemaObject): SchemaObject {
  if (object.type !== 'TABLE') return object;
  const tokens = tokensOf(object.sql);
  const create = tokens.findIndex(({ text }) => text === 'CREATE');
  const open = tokens.findIndex(({ text, depth }, i) => i > create && text === '(' && depth === 0);
  const end = tokens.findIndex(({ text, depth }, i) => i > open && text === ';' && depth === 0);
  if (create === -1 || open === -1 || end === -1) return object;
  const found = constraintsIn(tokens.slice(0, end + 1), open);
  if (found.length === 0) return object;
  const name = object.sql
    .slice(tokens[create]!.at, tokens[open]!.at)
    .replace(/^CREATE (?:UNLOGGED )?TABLE /, '')
    .trim();
  const apart = found.map(({ column }) => `ALTER TABLE ONLY ${name} ALTER COLUMN ${column} SET NOT NULL;`);
  const behind = tokens[end]!.at + 1;
  let sql = `${object.sql.slice(0, behind)}\n${apart.join('\n')}${object.sql.slice(behind)}`;
  for (const { from, to } of found.toReversed()) sql = sql.slice(0, from) + sql.slice(to);
  return { ...object, sql };
}

interface Found {
  readonly column: string;
  /** The range to remove, with one comma. */
  readonly from: number;
  readonly to: number;
}

/**
 * `[CONSTRAINT name] NOT NULL column [NO INHERIT]` as an element of the list: a column's own NOT NULL follows its type.
 */
function constraintsIn(tokens: readonly Token[], open: number): readonly Found[] {
  const found: Found[] = [];
  let lead = open;
  for (let i = open + 1; i < tokens.length; i++) {
    if (tokens[i]!.depth !== 1 || tokens[i]!.text !== 'NOT' || tokens[i + 1]?.text !== 'NULL') continue;
    const first = tokens[i - 2]?.text === 'CONSTRAINT' ? i - 2 : i;
    const before = tokens[first - 1]!;
    if (first - 1 !== open && !(before.text === ',' && before.depth === 1)) continue;
    const next = tokens[i + 3]?.text === 'NO' ? i + 5 : i + 3;
    // Leading elements are removed with the comma after them, later ones with the comma before them.
    const leads = first - 1 === lead;
    if (leads && tokens[next]!.text === ',') lead = next;
    const from = leads ? tokens[first]!.at : before.at;
    found.push({
      column: tokens[i + 2]!.text,
      from,
      to: leads && lead === next ? tokens[next]!.at + 1 : tokens[next]!.at,
    });
  }
  return found;
}
