import { quoteLiteral } from '../../quote.ts';
import type { ManifestObject } from '../types.ts';
import { bare, sqlName } from './step.ts';

/** How SQL calls an object: in COMMENT ON, ALTER … OWNER TO and DROP: `TABLE app.orders`, `TRIGGER t ON app.orders`. */
export function reference(object: ManifestObject): string {
  const { kind, name } = object;
  const [first, second, third] = name;
  switch (kind) {
    case 'column':
    case 'attribute':
      return `COLUMN ${sqlName(first, second, third)}`;
    case 'constraint':
      return `CONSTRAINT ${bare(third!)} ON ${sqlName(first, second)}`;
    case 'domain constraint':
      return `CONSTRAINT ${bare(third!)} ON DOMAIN ${sqlName(first, second)}`;
    case 'trigger':
    case 'rule':
    case 'policy':
      return `${kind.toUpperCase()} ${bare(third!)} ON ${sqlName(first, second)}`;
    case 'function':
    case 'procedure':
      return `${kind.toUpperCase()} ${sqlName(first, second)}(${third ?? ''})`;
    case 'aggregate':
      return `AGGREGATE ${sqlName(first, second)}(${signature(object)})`;
    case 'operator':
      return `OPERATOR ${bare(first!)}.${second} (${object.props['leftarg'] ?? 'NONE'}, ${object.props['rightarg'] ?? 'NONE'})`;
    case 'operator class':
    case 'operator family':
      return `${kind.toUpperCase()} ${sqlName(first, second)} USING ${bare(third!)}`;
    case 'cast':
      return `CAST (${first} AS ${second})`;
    case 'transform':
      return `TRANSFORM FOR ${first} LANGUAGE ${bare(second!)}`;
    case 'enum':
    case 'composite type':
    case 'range type':
    case 'base type':
      return `TYPE ${sqlName(first, second)}`;
    case 'foreign server':
      return `SERVER ${bare(first!)}`;
    case 'database':
      return `DATABASE ${bare(object.facts['name'] ?? '')}`;
    case 'user mapping':
      return `USER MAPPING FOR ${second === 'public' ? 'PUBLIC' : bare(second!)} SERVER ${bare(first!)}`;
    case 'access method':
    case 'event trigger':
    case 'extension':
    case 'foreign data wrapper':
    case 'language':
    case 'publication':
    case 'schema':
    case 'subscription':
      return `${kind.toUpperCase()} ${bare(first!)}`;
    default:
      return `${kind.toUpperCase()} ${sqlName(first, second)}`;
  }
}

function signature(object: ManifestObject): string {
  return object.facts['signature'] || (object.name[2] ?? '') || '*';
}

/** What GRANT … ON calls it. */
export function grantReference(object: ManifestObject): string {
  switch (object.kind) {
    case 'foreign table':
    case 'view':
    case 'materialized view':
      return `TABLE ${sqlName(object.name[0], object.name[1])}`;
    case 'column':
      return `TABLE ${sqlName(object.name[0], object.name[1])}`;
    case 'foreign server':
      return `FOREIGN SERVER ${bare(object.name[0]!)}`;
    case 'domain':
      return `DOMAIN ${sqlName(object.name[0], object.name[1])}`;
    case 'aggregate':
      return reference(object).replace(/^AGGREGATE/, 'FUNCTION');
    default:
      return reference(object);
  }
}

/** For messages: `table app.orders`, `trigger t of app.orders`. */
export function describe(object: ManifestObject): string {
  const { kind, name } = object;
  switch (kind) {
    case 'column':
    case 'attribute':
      return `${kind} ${name.join('.')}`;
    case 'constraint':
    case 'domain constraint':
    case 'trigger':
    case 'rule':
    case 'policy':
      return `${kind} ${name[2]} of ${name[0]}.${name[1]}`;
    case 'function':
    case 'procedure':
    case 'aggregate':
      return `${kind} ${name[0]}.${name[1]}(${name[2] ?? ''})`;
    case 'operator':
      return `operator ${name[0]}.${name[1]}(${name[2] ?? ''})`;
    case 'database':
    case 'large objects':
      return kind;
    case 'user mapping':
      return `user mapping of ${name[1]} for server ${name[0]}`;
    case 'cast':
      return `cast from ${name[0]} to ${name[1]}`;
    case 'default privileges':
      return `default privileges of ${name[0]}${name[1] === '' ? '' : ` in schema ${name[1]}`} on ${objectTypes[name[2]!] ?? name[2]}`;
    default:
      return `${kind} ${name.slice(0, 2).join('.')}`;
  }
}

/** defaclobjtype as ALTER DEFAULT PRIVILEGES calls it. */
export const objectTypes: Readonly<Record<string, string>> = {
  r: 'TABLES',
  S: 'SEQUENCES',
  f: 'FUNCTIONS',
  T: 'TYPES',
  n: 'SCHEMAS',
  L: 'LARGE OBJECTS',
};

export function literalOrNull(text: string | null): string {
  return text === null ? 'NULL' : quoteLiteral(text).trimStart();
}
