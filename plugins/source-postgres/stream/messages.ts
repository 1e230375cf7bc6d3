import type { Oid } from '../../../core/postgres/relation.ts';
import { type BodyReader, malformed } from './message-reader.ts';
import type { ReplicaIdentity, WireColumn, WireRelation } from './wire.ts';

/** Where the transaction came from, and its commit there. */
export function readOrigin(body: BodyReader): { name: string; lsn: bigint } {
  const lsn = body.u64();
  const name = body.text();
  body.end();
  return { name, lsn };
}

export function readType(body: BodyReader): { oid: Oid; schema: string; name: string } {
  const oid = body.u32();
  const schema = body.text() || 'pg_catalog';
  const name = body.text();
  body.end();
  return { oid, schema, name };
}

export function readRelation(body: BodyReader, typeName: (oid: Oid) => string | null): WireRelation {
  const oid = body.u32();
  // An empty namespace means pg_catalog.
  const schema = body.text() || 'pg_catalog';
  const name = body.text();
  const identity = String.fromCharCode(body.u8());
  if (!isReplicaIdentity(identity)) throw malformed('an unknown replica identity');
  const count = body.u16();
  const columns: WireColumn[] = [];
  for (let i = 0; i < count; i++) {
    const key = (body.u8() & 1) === 1;
    const column = body.text();
    const type = body.u32();
    columns.push({ name: column, key, type, typmod: body.i32(), typeName: typeName(type) });
  }
  body.end();
  return { oid, schema, name, identity, columns };
}

function isReplicaIdentity(text: string): text is ReplicaIdentity {
  return text === 'd' || text === 'n' || text === 'f' || text === 'i';
}

export function readTruncate(body: BodyReader): { oids: Oid[]; cascade: boolean; restartIdentity: boolean } {
  const count = body.u32();
  const options = body.u8();
  if (body.left !== count * 4) throw malformed('a truncate whose count of tables is wrong');
  const oids = Array.from({ length: count }, () => body.u32());
  return { oids, cascade: (options & 1) !== 0, restartIdentity: (options & 2) !== 0 };
}

export interface LogicalMessage {
  readonly transactional: boolean;
  readonly lsn: bigint;
  readonly prefix: string;
  readonly content: Uint8Array;
}

export function readMessage(body: BodyReader): LogicalMessage {
  const transactional = (body.u8() & 1) === 1;
  const lsn = body.u64();
  const prefix = body.text();
  const content = body.bytes(body.i32());
  body.end();
  return { transactional, lsn, prefix, content };
}
