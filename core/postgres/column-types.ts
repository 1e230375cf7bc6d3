import type pg from 'pg';
import type { Column, Oid } from './relation.ts';
import { baseTypes, type TypeFacts, typeFacts, typeFactsSql } from './columns.ts';

/** What pg_type says of a column's type, and its name. */
export type NamedType = TypeFacts & Pick<Column, 'typeName'>;

/** Facts about types by oid and typmod, in the order of the request; null for one that does not exist (any longer). */
export async function readTypes(
  client: pg.Client,
  asked: readonly { readonly type: Oid; readonly typmod: number }[],
): Promise<readonly (NamedType | null)[]> {
  const { rows } = await client.query<string[]>({
    text: `${baseTypes('SELECT unnest($1::oid[])')}
      SELECT w.at, format_type(w.oid, w.typmod), ${typeFactsSql}
      FROM unnest($1::oid[], $2::int[]) WITH ORDINALITY AS w (oid, typmod, at)
      JOIN pg_type t ON t.oid = w.oid JOIN resolved r ON r.oid = w.oid`,
    values: [`{${asked.map(({ type }) => type).join(',')}}`, `{${asked.map(({ typmod }) => typmod).join(',')}}`],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const types: (NamedType | null)[] = asked.map(() => null);
  for (const [at, typeName, ...facts] of rows as [string, ...string[]][]) {
    types[Number(at) - 1] = { typeName: typeName!, ...typeFacts(facts) };
  }
  return types;
}
