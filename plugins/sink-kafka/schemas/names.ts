/* Names as Avro and Protobuf have them: letters, digits and `_`, no digit first. */

const firstLetter = /^[A-Za-z_]/;

function adjusted(name: string, others: RegExp): string {
  const rest = name.replace(others, '_');
  if (rest === '' || firstLetter.test(rest)) return rest;
  // A digit stays, or `1a` and `2a` would be one name.
  return /^[0-9]/.test(rest) ? `_${rest}` : `_${rest.slice(1)}`;
}

/** `schema.name.adjustment.mode=avro` of Debezium: a full name, whose dots stay. */
export function fullName(name: string): string {
  return adjusted(name, /[^A-Za-z0-9_.]/g);
}

/** `field.name.adjustment.mode=avro`. Characters are UTF-16 units, as in Java. */
export function fieldName(name: string): string {
  return adjusted(name, /[^A-Za-z0-9_]/g);
}

/** Namespace, and name in it; null: none. */
export function splitName(full: string): readonly [namespace: string | null, name: string] {
  const dot = full.lastIndexOf('.');
  return dot === -1 ? [null, full] : [full.slice(0, dot), full.slice(dot + 1)];
}
