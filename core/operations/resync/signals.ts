import type { Signal } from '../../api/signal.ts';

/**
 * The action that a signal requests. Tables are chosen by regular expressions that must match the whole of
 * `schema.table`.
 */
export type SignalAction =
  | { readonly kind: 'execute'; readonly tables: readonly RegExp[]; readonly filters: readonly TableFilter[] }
  /** `tables` null: all. */
  | { readonly kind: 'stop'; readonly tables: readonly RegExp[] | null }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'log'; readonly message: string }
  | { readonly kind: 'nothing' };

interface TableFilter {
  /** Null: all of them. */
  readonly table: RegExp | null;
  readonly where: string;
}

/**
 * Reads Debezium's format (its documentation: "Sending signals to a Debezium connector"); throws an error with the
 * problem in words.
 */
export function readSignal({ type, data }: Signal): SignalAction {
  switch (type) {
    case 'execute-snapshot':
      return execute(objectOf(data));
    case 'stop-snapshot': {
      const tables = data === null || data.trim() === '' ? [] : names(objectOf(data)['data-collections']);
      return { kind: 'stop', tables: tables.length === 0 ? null : tables.map(expression) };
    }
    case 'pause-snapshot':
      return { kind: 'pause' };
    case 'resume-snapshot':
      return { kind: 'resume' };
    case 'log':
      return { kind: 'log', message: String(objectOf(data)['message'] ?? '') };
    // Debezium's own signal, for its watermarks.
    case 'snapshot-window-open':
    case 'snapshot-window-close':
      return { kind: 'nothing' };
    default:
      throw new Error(`there is no signal ${type}`);
  }
}

function execute(data: Readonly<Record<string, unknown>>): SignalAction {
  const tables = names(data['data-collections']);
  if (tables.length === 0) throw new Error('data-collections names no table');
  const conditions = data['additional-conditions'] ?? [];
  if (!Array.isArray(conditions)) throw new Error('additional-conditions is no list');
  const filters: TableFilter[] = conditions.map((condition: unknown) => {
    const { 'data-collection': table, filter } = (condition ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof table !== 'string' || typeof filter !== 'string')
      throw new Error('an element of additional-conditions wants data-collection and filter');
    return { table: expression(table), where: filter };
  });
  // Versions before 2.x have one condition for all tables.
  const one = data['additional-condition'];
  if (typeof one === 'string' && one.trim() !== '') filters.push({ table: null, where: one });
  return { kind: 'execute', tables: tables.map(expression), filters };
}

function objectOf(data: string | null): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(data ?? '');
  } catch {
    throw new Error('data is no JSON');
  }
  if (typeof value !== 'object' || value === null) throw new Error('data is no JSON object');
  return value as Readonly<Record<string, unknown>>;
}

function names(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every((name) => typeof name === 'string'))
    throw new Error('data-collections is no list of names');
  return value.map((name) => name.trim()).filter((name) => name !== '');
}

/** As Java compiles the expression, where both languages agree; quoted names are as in SQL. */
function expression(name: string): RegExp {
  const bare = name.replace(/"((?:[^"]|"")*)"/g, (_, quoted: string) =>
    quoted.replaceAll('""', '"').replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'),
  );
  try {
    return new RegExp(`^(?:${bare})$`, 'iu');
  } catch {
    throw new Error(`${name} is no regular expression`);
  }
}
