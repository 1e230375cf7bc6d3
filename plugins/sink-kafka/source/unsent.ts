import { elementOids, oids, oidsOf } from '../../../core/postgres/oids.ts';
import type { Column } from '../../../core/postgres/relation.ts';
import { arrayPlaceholder } from '../records/placeholders.ts';
import { Digits, isObject, type Parsed } from './json.ts';
import type { Modes } from './values.ts';

/** Types that a row may hold outside of itself (TOAST) and of which Debezium has no placeholder: it writes null. */
const untold = oidsOf('xml', 'inet', 'tsvector', 'numrange', 'path', 'polygon', 'jsonpath');

export interface Unsent {
  /** It stands for a value that the server did not send. */
  readonly is: (value: Parsed) => boolean;
  /** NULL of an UPDATE may as well be a value that was not sent. */
  readonly looksNull: boolean;
}

/** How an UPDATE tells that a large value was left as it is (`unavailable.value.placeholder`). */
export function unsentOf(column: Column, modes: Modes, unavailable: string): Unsent {
  const element = elementOids.get(column.baseType);
  const texts = [unavailable, Buffer.from(unavailable).toString('base64')];
  // Of a domain over an array there is none.
  const form = column.under !== undefined ? null : arrayForm(element ?? null, modes, unavailable);
  const isArray = element !== undefined || (column.under?.typeKind ?? column.typeKind) === 'array';
  const base64 = modes.binary === 'base64' || modes.binary === 'base64-url-safe';
  return {
    is: (value) => {
      if (typeof value === 'string') return texts.includes(value) || value === `{"${unavailable}":"${unavailable}"}`;
      if (isObject(value)) return value[unavailable] === unavailable;
      if (!Array.isArray(value)) return false;
      const items = value as readonly Parsed[];
      if (items.length === 1 && typeof items[0] === 'string' && texts.includes(items[0])) return true;
      return form !== null && JSON.stringify(value, plain) === form;
    },
    looksNull: isArray ? form === null : untold.has(column.baseType) || (column.baseType === oids.bytea && base64),
  };
}

const plain = (_: string, value: unknown): unknown => (value instanceof Digits ? Number(value.text) : value);

function arrayForm(element: number | null, { binary, time }: Modes, unavailable: string): string | null {
  if (element === null) return null;
  const typed = { type: element } as Parameters<typeof arrayPlaceholder>[0];
  const modes = { binary, time, unavailable } as Parameters<typeof arrayPlaceholder>[1];
  const form = arrayPlaceholder(typed, modes);
  return form === 'null' ? null : form;
}
