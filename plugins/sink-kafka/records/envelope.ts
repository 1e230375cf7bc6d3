import type { Relation } from '../../../core/postgres/relation.ts';
import { jsonString } from './json.ts';
import { lsnTold, type Moment } from './moment.ts';
import { releaseNumber, releases } from './releases.ts';

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
  const db = `","db":${jsonString(names.database)},"sequence":"`;
  const table = `,"schema":${jsonString(target.schema)},"table":${jsonString(target.name)},"txId":`;
  const origins = releaseNumber(names.version) >= releases.origin;
  return (at, lsn) => {
    const origin = origins ? `,"origin":${at.origin},"origin_lsn":${at.originLsn}}` : '}';
    return (
      `${head}${at.ms},"snapshot":"${at.snapshot}${db}${sequenceOf(at, lsn)}","ts_us":${at.us},"ts_ns":${at.ns}` +
      `${table}${at.txId},"lsn":${lsnTold(at, lsn)},"xmin":null${origin}`
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

/** Debezium's CloudEvents form in JSON; every extension attribute is a string or null: the members of the source block, then of the transaction's. */
export function cloudEventsWrap(relation: Relation, names: SourceNames): Wrap {
  const server = jsonString(names.server).slice(1, -1);
  const head =
    `","source":"/debezium/postgresql/${server}","specversion":"1.0",` +
    '"type":"io.debezium.connector.postgresql.DataChangeEvent","time":"';
  const middle = `","iodebeziumversion":${jsonString(names.version)},"iodebeziumconnector":"postgresql","iodebeziumname":"${server}","iodebeziumtsms":"`;
  const db = `","iodebeziumdb":${jsonString(names.database)},"iodebeziumsequence":`;
  const place = `,"iodebeziumschema":${jsonString(relation.schema)},"iodebeziumtable":${jsonString(relation.name)},"iodebeziumtxId":`;
  const origins = releaseNumber(names.version) >= releases.origin;
  return (op, images, { at, lsn, transaction }) => {
    const sequence = sequenceOf(at, lsn);
    const told = lsnTold(at, lsn);
    const origin = origins ? `"iodebeziumorigin":${at.origin},"iodebeziumoriginlsn":${quoted(at.originLsn)},` : '';
    return (
      `{"id":"name:${server};lsn:${told};txId:${at.txId};sequence:${sequence}${head}${isoMillis(at.ms)}` +
      `","datacontenttype":"application/json","iodebeziumop":"${op}${middle}${at.ms}","iodebeziumsnapshot":"${at.snapshot}` +
      `${db}"${sequence}","iodebeziumtsus":"${at.us}","iodebeziumtsns":"${at.ns}"` +
      `${place}${quoted(at.txId)},"iodebeziumlsn":${quoted(told)},"iodebeziumxmin":null,` +
      `${origin}${transactionAttributes(transaction)}` +
      `"data":{"before":${images.before},"after":${images.after}}}`
    );
  };
}

/** The block's members, as CloudEvents has them. */
function transactionAttributes(block: string): string {
  if (block === 'null') {
    return '"iodebeziumtxid":null,"iodebeziumtxtotalorder":null,"iodebeziumtxdatacollectionorder":null,';
  }
  const [, id = '', total = '', order = ''] =
    /"id":"([^"]*)","total_order":(\d+),"data_collection_order":(\d+)/.exec(block) ?? [];
  return `"iodebeziumtxid":"${id}","iodebeziumtxtotalorder":"${total}","iodebeziumtxdatacollectionorder":"${order}",`;
}

/** `sequence` as it is within a string. */
function sequenceOf(at: Moment, lsn: string): string {
  return `[${at.previous},${lsn === 'null' ? 'null' : `\\"${lsn}\\"`}]`;
}

function quoted(text: string): string {
  return text === 'null' ? 'null' : `"${text}"`;
}

function isoMillis(ms: string): string {
  return new Date(Number(ms)).toISOString();
}

/** A logical message (`pg_logical_emit_message`), as Debezium writes it to `<prefix>.message`; `content` is text of the file's binary mode. */
export function messageValue(
  names: SourceNames,
  message: { readonly prefix: string; readonly content: string },
  { at, lsn, transaction }: Place,
): string {
  const source = sourceBlock({ schema: '', name: '' }, names)(at, lsn);
  const processed = at.processed.slice(0, at.processed.indexOf(','));
  const block = releaseNumber(names.version) >= releases.messageTransaction ? `"transaction":${transaction},` : '';
  return (
    `{"op":"m",${processed},"source":${source},${block}` +
    `"message":{"prefix":${jsonString(message.prefix)},"content":"${message.content}"}}`
  );
}
