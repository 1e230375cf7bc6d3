import assert from 'node:assert/strict';
import type { Change, TransactionInfo } from '../../core/api/change.ts';
import type { CommitLsn } from '../../core/postgres/lsn.ts';
import type { Relation } from '../../core/postgres/relation.ts';
import {
  type ControlTarget,
  Decoder,
  type OpenTransaction,
  type TransactionTarget,
} from '../../plugins/source-postgres/stream/decoder.ts';
import { type Region, regionOf } from '../../plugins/source-postgres/stream/replication-socket.ts';
import { InProgress } from '../../plugins/source-postgres/stream/in-progress.ts';
import { RelationCache } from '../../plugins/source-postgres/stream/relation-cache.ts';
import { relationFrom } from '../../plugins/source-postgres/stream/relation-of.ts';
import type { WireRelation } from '../../plugins/source-postgres/stream/wire.ts';

/** Messages built by hand after the manual's chapter "Logical Replication Message Formats". */
export const u8 = (n: number) => Buffer.from([n]);
export const u16 = (n: number) => write(2, (b) => b.writeUInt16BE(n));
export const u32 = (n: number) => write(4, (b) => b.writeUInt32BE(n));
export const i32 = (n: number) => write(4, (b) => b.writeInt32BE(n));
export const u64 = (n: bigint) => write(8, (b) => b.writeBigUInt64BE(n));
export const str = (text: string) => Buffer.from(`${text}\0`);
export const message = (type: string, ...parts: Buffer[]) => Buffer.concat([Buffer.from(type), ...parts]);
function write(size: number, fill: (buffer: Buffer) => unknown): Buffer {
  const buffer = Buffer.alloc(size);
  fill(buffer);
  return buffer;
}

/** 2026-01-01 00:00:00 UTC on PostgreSQL's clock, and what it is on ours. */
export const TIME = 820_454_400_000_000n;
export const TIME_UNIX = 1_767_139_200_000_000n;

export const begin = (finalLsn: bigint, xid = 7) => message('B', u64(finalLsn), u64(TIME), u32(xid));
export const commit = (record: bigint, end: bigint) => message('C', u8(0), u64(record), u64(end), u64(TIME));
export interface ColumnSpec {
  readonly name: string;
  readonly key?: boolean;
  readonly type?: number;
  readonly typmod?: number;
}
export const relation = (oid: number, name: string, columns: readonly ColumnSpec[], identity = 'd') =>
  message(
    'R',
    u32(oid),
    str('public'),
    str(name),
    Buffer.from(identity),
    u16(columns.length),
    ...columns.flatMap((c) => [u8(c.key === true ? 1 : 0), str(c.name), u32(c.type ?? 25), i32(c.typmod ?? -1)]),
  );
/** A string, null for NULL, undefined for a value that is not sent. */
export const tuple = (...cells: readonly (string | null | undefined)[]) =>
  Buffer.concat([
    u16(cells.length),
    ...cells.map((cell) => {
      if (cell === null) return Buffer.from('n');
      if (cell === undefined) return Buffer.from('u');
      const text = Buffer.from(cell);
      return Buffer.concat([Buffer.from('t'), i32(text.length), text]);
    }),
  ]);
export const insert = (oid: number, row: Buffer) => message('I', u32(oid), Buffer.from('N'), row);
export const update = (oid: number, row: Buffer, old?: [mark: 'K' | 'O', row: Buffer]) =>
  message('U', u32(oid), ...(old === undefined ? [] : [Buffer.from(old[0]), old[1]]), Buffer.from('N'), row);
export const remove = (oid: number, mark: 'K' | 'O', row: Buffer) => message('D', u32(oid), Buffer.from(mark), row);

/** A CopyData frame with XLogData. */
export function xlog(payload: Buffer, lsn = 0x100n): Buffer {
  return Buffer.concat([
    Buffer.from('d'),
    i32(4 + 25 + payload.length),
    Buffer.from('w'),
    u64(lsn),
    u64(lsn),
    u64(TIME),
    payload,
  ]);
}
/** A CopyData frame with a keepalive. */
export function keepalive(walEnd: bigint, reply = false): Buffer {
  return Buffer.concat([Buffer.from('d'), i32(22), Buffer.from('k'), u64(walEnd), u64(TIME), u8(reply ? 1 : 0)]);
}

export function bareRelation(wire: WireRelation): Relation {
  const column = { typeName: 't', typeKind: 'base', baseType: 25, notNull: false, generated: 'never' } as const;
  const columns = wire.columns.map(() => ({ ...column, identity: 'never' as const, binarySafe: false }));
  return relationFrom(wire, { kind: 'table', columns, primaryKey: [] });
}

export type Decoded =
  | { readonly kind: 'begin'; readonly tx: TransactionInfo }
  | { readonly kind: 'change'; readonly change: Change }
  | { readonly kind: 'commit'; readonly end: CommitLsn }
  | { readonly kind: 'lone'; readonly change: Change; readonly end: CommitLsn };

/** Decodes payloads one by one and notes what came out. */
export class Recorder implements ControlTarget, TransactionTarget {
  readonly out: Decoded[] = [];
  readonly wires: WireRelation[] = [];
  readonly relations = new RelationCache();
  readonly inProgress = new InProgress({ written: () => {}, failed: (error) => assert.fail(error) });
  readonly decoder: Decoder;

  constructor(checkUtf8 = false, binary = false) {
    this.decoder = new Decoder({ transactions: this, control: this }, this.relations, { checkUtf8, binary });
  }

  decode(payload: Buffer, lsn = 0x100n): this {
    const frame = xlog(payload, lsn);
    this.decoder.decode(regionOf(frame, 0, frame.length), 0, frame.length);
    return this;
  }
  all(...payloads: Buffer[]): this {
    for (const payload of payloads) this.decode(payload);
    return this;
  }
  get changes(): Change[] {
    return this.out.flatMap((one) => (one.kind === 'change' || one.kind === 'lone' ? [one.change] : []));
  }

  begin(tx: TransactionInfo): void {
    this.out.push({ kind: 'begin', tx });
  }
  change(change: Change): void {
    this.out.push({ kind: 'change', change });
  }
  commit(_tx: TransactionInfo, end: CommitLsn): void {
    this.out.push({ kind: 'commit', end });
  }
  lone(change: Change, end: CommitLsn): void {
    this.out.push({ kind: 'lone', change, end });
  }
  relation(wire: WireRelation): void {
    const before = this.relations.known(wire);
    if (before === null) this.wires.push(wire);
    this.relations.put(wire, before ?? bareRelation(wire));
  }
  readonly streamed = {
    start: (xid: number) => this.inProgress.start(xid),
    stop: () => this.inProgress.stop(),
    keep: (region: Region, frame: number, end: number) => this.inProgress.keep(region, frame, end),
    abort: (xid: number, subxid: number) => this.inProgress.abort(xid, subxid),
    commit: (tx: OpenTransaction, end: bigint) => {
      const replay = this.inProgress.commit(tx.xid, end);
      this.decoder.open(tx);
      for (;;) {
        assert.equal(replay.advance(), null, 'a recorder takes transactions that fit in memory');
        if (replay.first === undefined) break;
        const { buffer, end: stop } = replay.first;
        for (let at = 0; at < stop; ) {
          const frame = at;
          at += 1 + buffer.readInt32BE(at + 1);
          if (!replay.skips(replay.first, frame)) this.decoder.decode(replay.first, frame, at);
        }
      }
      replay.close();
      this.decoder.close(end);
    },
  };
}
