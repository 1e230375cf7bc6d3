import type { Change } from '../../core/api/change.ts';
import { UNCHANGED } from '../../core/postgres/tuple.ts';
import type { Relation } from '../../core/postgres/relation.ts';
import { PgoutputParser } from 'pg-logical-replication/dist/output-plugins/pgoutput/pgoutput-parser.js';

/** What both decoders are brought to: values by column name, `~` for one that was not sent. */
export type Row = Readonly<Record<string, string | null>>;
export interface Plain {
  readonly kind: string;
  readonly table?: string;
  readonly key?: Row | null;
  readonly old?: Row | null;
  readonly new?: Row | null;
  readonly more?: unknown;
}

/** One decoder of pg-logical-replication: an implementation that shares nothing with ours. */
export class Oracle {
  readonly #parser = new PgoutputParser();

  /** Null for messages that make no change. Types in relations must be text, or it converts values. */
  decode(payload: Buffer): Plain | null {
    const message = this.#parser.parse(payload);
    switch (message.tag) {
      case 'insert':
        return { kind: 'insert', table: message.relation.name, new: row(message.new) };
      case 'update':
        return {
          kind: 'update',
          table: message.relation.name,
          key: row(message.key),
          old: row(message.old),
          new: row(message.new),
        };
      case 'delete':
        return { kind: 'delete', table: message.relation.name, key: row(message.key), old: row(message.old) };
      case 'truncate':
        return {
          kind: 'truncate',
          more: [message.relations.map(({ name }) => name), message.cascade, message.restartIdentity],
        };
      case 'message':
        return {
          kind: 'message',
          more: [message.transactional, message.prefix, Buffer.from(message.content).toString('hex')],
        };
      default:
        return null;
    }
  }
}

function row(values: Record<string, unknown> | null): Row | null {
  if (values === null) return null;
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value === undefined ? '~' : (value as string | null)]),
  );
}

/** Our change in the same form. The oracle fills a value that was not sent from a full old row, so we do here. */
export function plain(change: Change): Plain {
  switch (change.kind) {
    case 'insert':
      return { kind: 'insert', table: change.relation.name, new: named(change.relation, change.after) };
    case 'update': {
      const { before, relation } = change;
      const full = before?.image === 'full' ? before.tuple : null;
      const after = change.after.map((cell, i) => (cell === UNCHANGED && full !== null ? (full[i] ?? null) : cell));
      return {
        kind: 'update',
        table: relation.name,
        key: before?.image === 'key' ? keyOf(relation, before.tuple) : null,
        old: full === null ? null : named(relation, full),
        new: named(relation, after),
      };
    }
    case 'delete': {
      const { before, relation } = change;
      const key = before.image === 'key' ? keyOf(relation, before.tuple) : null;
      return { kind: 'delete', table: relation.name, key, old: key === null ? named(relation, before.tuple) : null };
    }
    case 'truncate':
      return {
        kind: 'truncate',
        more: [change.relations.map(({ name }) => name), change.cascade, change.restartIdentity],
      };
    case 'message':
      return {
        kind: 'message',
        more: [change.transactional, change.prefix, Buffer.from(change.content).toString('hex')],
      };
    default:
      return change satisfies never;
  }
}

function named(relation: Relation, cells: readonly unknown[]): Row {
  return Object.fromEntries(
    relation.columns.map(({ name }, i) => [name, typeof cells[i] === 'symbol' ? '~' : (cells[i] as string | null)]),
  );
}

function keyOf(relation: Relation, cells: readonly (string | null)[]): Row {
  const { identity } = relation;
  if (identity.kind !== 'key') return {};
  return Object.fromEntries(identity.positions.map((at) => [relation.columns[at]?.name ?? '', cells[at] ?? '~']));
}

/** The same Relation message with every column of type text, so that the oracle does not convert values. */
export function asText(payload: Buffer): Buffer {
  if (payload[0] !== 0x52) return payload;
  const copy = Buffer.from(payload);
  let at = 5;
  at = copy.indexOf(0, at) + 1;
  at = copy.indexOf(0, at) + 2;
  const count = copy.readUInt16BE(at);
  at += 2;
  for (let i = 0; i < count; i++) {
    at = copy.indexOf(0, at + 1) + 1;
    copy.writeUInt32BE(25, at);
    at += 8;
  }
  return copy;
}
