import type { Relation } from '../../../core/postgres/relation.ts';
import { jsonString } from './json.ts';
import type { Moment } from './moment.ts';

export type Op = 'r' | 'c' | 'u' | 'd' | 't';

/** What the source block says of the pipeline. */
export interface SourceNames {
  /** Logical name: the topic prefix, which is the pipeline's name. */
  readonly server: string;
  readonly database: string;
  readonly version: string;
}

/** Puts row images (JSON text or `null`) into an envelope; `lsn` is decimal text or `null`. */
export type Wrap = (op: Op, images: { before: string; after: string }, place: Place) => string;
/** Which change of which moment a record tells of. */
export interface Place {
  readonly at: Moment;
  readonly lsn: string;
  /** JSON of the transaction block, or `null`. */
  readonly transaction: string;
}

type Target = { readonly schema: string; readonly name: string };

/**
 * The source block between its constant parts. Field order as PostgresSourceInfoStructMaker builds it; the digits of
 * lsn and of the times pass 2^53, so they are text.
 */
export function sourceBlock(target: Target, names: SourceNames): (at: Moment, lsn: string) => string {
  const head = `{"version":${jsonString(names.version)},"connector":"postgresql","name":${jsonString(names.server)},"ts_ms":`;
  const db = `","db":${jsonString(names.database)},"sequence":"[`;
  const table = `,"schema":${jsonString(target.schema)},"table":${jsonString(target.name)},"txId":`;
  return (at, lsn) => {
    const own = lsn === 'null' ? 'null' : `\\"${lsn}\\"`;
    return (
      `${head}${at.ms},"snapshot":"${at.snapshot}${db}${at.previous},${own}]","ts_us":${at.us},"ts_ns":${at.ns}` +
      `${table}${at.txId},"lsn":${lsn},"xmin":null,"origin":${at.origin},"origin_lsn":null}`
    );
  };
}

/** Debezium's change event without schemas: before, after, source, transaction, op, ts_ms, ts_us, ts_ns. */
export function debeziumWrap(relation: Relation, names: SourceNames): Wrap {
  const source = sourceBlock(relation, names);
  return (op, images, { at, lsn, transaction }) =>
    `{"before":${images.before},"after":${images.after},"source":${source(at, lsn)},` +
    `"transaction":${transaction},"op":"${op}",${at.processed}}`;
}

/** Debezium's CloudEvents form in JSON; every extension attribute is a string or null. */
export function cloudEventsWrap(relation: Relation, names: SourceNames): Wrap {
  const server = jsonString(names.server).slice(1, -1);
  const head =
    `","source":"/debezium/postgresql/${server}","specversion":"1.0",` +
    '"type":"io.debezium.connector.postgresql.DataChangeEvent","time":"';
  const middle = `","iodebeziumversion":${jsonString(names.version)},"iodebeziumconnector":"postgresql","iodebeziumname":"${server}","iodebeziumtsms":"`;
  const place =
    `","iodebeziumdb":${jsonString(names.database)},"iodebeziumschema":${jsonString(relation.schema)},` +
    `"iodebeziumtable":${jsonString(relation.name)},"iodebeziumtxId":`;
  return (op, images, { at, lsn }) =>
    `{"id":"name:${server};lsn:${lsn};txId:${at.txId}${head}${isoMillis(at.ms)}` +
    `","datacontenttype":"application/json","iodebeziumop":"${op}${middle}${at.ms}","iodebeziumsnapshot":"${at.snapshot}` +
    `${place}${quoted(at.txId)},"iodebeziumlsn":${quoted(lsn)},"iodebeziumxmin":null,"iodebeziumtxid":null,` +
    `"iodebeziumtxtotalorder":null,"iodebeziumtxdatacollectionorder":null,` +
    `"data":{"before":${images.before},"after":${images.after}}}`;
}

function quoted(text: string): string {
  return text === 'null' ? 'null' : `"${text}"`;
}

function isoMillis(ms: string): string {
  return new Date(Number(ms)).toISOString();
}

/** A logical message (`pg_logical_emit_message`), as Debezium writes it to `<prefix>.message`. */
export function messageValue(
  names: SourceNames,
  message: { readonly prefix: string; readonly content: Uint8Array },
  at: Moment,
  lsn: string,
): string {
  const source = sourceBlock({ schema: '', name: '' }, names)(at, lsn);
  const processed = at.processed.slice(0, at.processed.indexOf(','));
  const content = Buffer.from(message.content).toString('base64');
  return (
    `{"op":"m",${processed},"source":${source},"transaction":null,` +
    `"message":{"prefix":${jsonString(message.prefix)},"content":"${content}"}}`
  );
}
