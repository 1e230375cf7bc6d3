/** A node of libpg-query's tree, as its JSON has it: absent members are zero, false or empty. */
export interface Ast {
  readonly [key: string]: AstValue;
}
export type AstValue = string | number | boolean | Ast | readonly AstValue[] | undefined;

/** `{A_Expr: {…}}` as kind and body. */
export function unwrap(node: Ast): readonly [kind: string, body: Ast] {
  const [entry] = Object.entries(node);
  return entry === undefined ? ['', {}] : [entry[0], entry[1] as Ast];
}
export const child = (body: Ast, key: string): Ast | null => (body[key] as Ast | undefined) ?? null;
export const children = (body: Ast, key: string): readonly Ast[] => (body[key] as readonly Ast[] | undefined) ?? [];
export const text = (body: Ast, key: string): string => (body[key] as string | undefined) ?? '';
export const flag = (body: Ast, key: string): boolean => body[key] === true;
/** Byte offset in the query, -1 where the grammar notes none. */
export const location = (body: Ast): number => (body['location'] as number | undefined) ?? -1;
/** Names of a qualified name: `[{String: {sval}}]`. */
export function names(body: Ast, key: string): readonly string[] {
  return children(body, key).map((item) => {
    const [kind, value] = unwrap(item);
    return kind === 'String' ? text(value, 'sval') : '*';
  });
}

/** First noted position within a node, for nodes that have none of their own. */
export function firstLocation(node: AstValue): number {
  if (typeof node !== 'object') return -1;
  if (
    !Array.isArray(node) &&
    typeof (node as Ast)['location'] === 'number' &&
    ((node as Ast)['location'] as number) >= 0
  ) {
    return (node as Ast)['location'] as number;
  }
  for (const part of Array.isArray(node) ? (node as readonly AstValue[]) : Object.values(node)) {
    const found = firstLocation(part);
    if (found >= 0) return found;
  }
  return -1;
}
