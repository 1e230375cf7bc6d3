import type pg from 'pg';
import { quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import type { Definition } from '../publication/definition.ts';
import { type Mark, type Owner, isOurs, markOf, markText, readMark } from './mark.ts';

export const publicationKey = (name: string): string => `publication:${name}`;

/** By the comment that was written with it, or, if another comment replaced that, by the noted oid. */
export function isOurPublication(definition: Definition, name: string, owner: Owner): boolean {
  return isOurs(readMark(definition.comment), owner) || isNoted(definition, name, owner);
}

function isNoted({ oid }: Definition, name: string, { ownership }: Owner): boolean {
  return ownership?.noted(publicationKey(name)) === oid;
}

/** The maker, as far as the comment says. */
export function makerOf({ comment }: Definition): string {
  const mark = readMark(comment);
  return mark === null
    ? 'pgsluice did not make it'
    : `pgsluice made it for pipeline ${mark.pipeline}, whose state is kept elsewhere`;
}

/** In the transaction that creates it, or before a slot is created. */
export async function markPublication(
  client: pg.Client,
  name: string,
  owner: Owner,
  slot: Pick<Mark, 'slot' | 'from'> = {},
): Promise<void> {
  const text = markText({ ...markOf(owner), ...slot });
  await client.query(`COMMENT ON PUBLICATION ${quoteIdent(name)} IS ${quoteLiteral(text)}`);
}
