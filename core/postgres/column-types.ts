import type pg from 'pg';
import type { Column, Oid } from './relation.ts';
import { baseTypes, typeKind } from './columns.ts';
import { isBinarySafe } from './types.ts';

/** What pg_type says of a column's type. */
export type TypeFacts = Pick<Column, 'typeName' | 'typeKind' | 'baseType' | 'binarySafe'>;

/** Facts on types by oid and typmod, in the order asked; null for one that is not (or no more) there. */
export async function readTypes(
  client: pg.Client,
  types: readonly { readonly type: Oid; readonly typmod: number }[],
): Promise<readonly (TypeFacts | null)[]> {
  const { rows } = await client.query<string[]>({
    text: `${baseTypes('SELECT unnest($1::oid[])')}
      SELECT w.at, format_type(w.oid, w.typmod), t.typtype, r.under, r.under_kind,
             CASE WHEN r.typsubscript = 'array_subscript_handler'::regproc THEN r.typelem ELSE 0 END,
             t.typsubscript = 'array_subscript_handler'::regproc
      FROM unnest($1::oid[], $2::int[]) WITH ORDINALITY AS w (oid, typmod, at)
      JOIN pg_type t ON t.oid = w.oid JOIN resolved r ON r.oid = w.oid`,
    values: [`{${types.map(({ type }) => type).join(',')}}`, `{${types.map(({ typmod }) => typmod).join(',')}}`],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const facts: (TypeFacts | null)[] = types.map(() => null);
  for (const [at, typeName, kind, under, underKind, element, isArray] of rows as [string, ...string[]][]) {
    facts[Number(at) - 1] = {
      typeName: typeName!,
      typeKind: typeKind(kind!, isArray === 't'),
      baseType: Number(under),
      binarySafe: isBinarySafe({ baseType: Number(under), baseKind: underKind!, element: Number(element) }),
    };
  }
  return facts;
}
