import type { Change, TransactionInfo } from '../../../core/api/change.ts';
import type { SourceRelations } from '../../../core/api/source.ts';
import { type Column, type Relation, relationName } from '../../../core/postgres/relation.ts';
import { type PartialTuple, type Tuple, UNCHANGED } from '../../../core/postgres/tuple.ts';
import { kafkaError } from '../errors.ts';
import { type JournalCell, type JournalChange, type JournalPage, openHeader } from '../journal/page.ts';
import type { LogRecord } from './partitions.ts';
import type { Records, RecordChanges } from './stream.ts';

/** Records of `format: pgsluice` as changes. */
export class JournalRecords implements Records {
  readonly whole = true;
  readonly #tables: ReadonlyMap<string, Relation>;
  readonly #excluded: ReadonlySet<string>;
  /** By their texts; null: the file leaves the table out. */
  readonly #relations = new Map<string, Relation | null>();

  constructor({ tables, excluded }: SourceRelations) {
    this.#tables = new Map(tables.map(({ relation }) => [relationName(relation), relation]));
    this.#excluded = new Set(excluded.map(relationName));
  }

  goesOn(record: LogRecord): boolean {
    return record.headers.has(openHeader);
  }

  read(record: LogRecord, tx: TransactionInfo, lsn: bigint): RecordChanges {
    const page = pageOf(record);
    const relations = page.relations.map((text) => this.#relation(text));
    const changes: Change[] = [];
    let commitTime: bigint | null = null;
    for (const { time, changes: some } of page.transactions) {
      commitTime = BigInt(time);
      for (const change of some) {
        const read = changeOf(change, relations, { tx, lsn: lsn + BigInt(changes.length) });
        if (read !== null) changes.push(read);
      }
    }
    return { changes, commitTime };
  }

  #relation(text: string): Relation | null {
    let found = this.#relations.get(text);
    if (found === undefined) this.#relations.set(text, (found = this.#known(JSON.parse(text) as Relation)));
    return found;
  }

  /** Oids are the source's: the table and types that are the same by name are those of the database of `tables_from`. */
  #known(written: Relation): Relation | null {
    const name = relationName(written);
    const table = this.#tables.get(name);
    if (table === undefined) {
      if (this.#excluded.has(name)) return null;
      throw kafkaError(
        'PGS5046',
        `the journal has rows of table ${name}, which the database of tables_from does not have`,
      );
    }
    const columns = written.columns.map((column) => {
      const same = table.columns.find((one) => one.name === column.name);
      return same !== undefined && same.typeName === column.typeName ? ofTarget(column, same) : plain(column);
    });
    return { ...written, oid: table.oid, columns };
  }
}

function ofTarget(column: Column, same: Column): Column {
  const { generated, identity, notNull } = column;
  return { ...same, generated, identity, notNull };
}

/** Numbers of columns are the source's. */
function plain({ attnum: _, ...column }: Column): Column {
  return column;
}

function pageOf(record: LogRecord): JournalPage {
  const where = `${record.topic}-${record.partition} at offset ${record.offset}`;
  let page: Partial<JournalPage>;
  try {
    page = JSON.parse(record.value?.toString() ?? 'null') as Partial<JournalPage>;
  } catch {
    throw kafkaError('PGS2212', `${where}: no JSON`);
  }
  if (page?.version === 1) return page as JournalPage;
  throw kafkaError('PGS2212', `${where}: version ${String(page?.version)}`);
}

type At = Pick<Change, 'tx' | 'lsn'>;

/** Null: of a table that is left out. */
function changeOf(change: JournalChange, relations: readonly (Relation | null)[], at: At): Change | null {
  switch (change[0]) {
    case 't': {
      const [, numbers, cascade, restartIdentity] = change;
      const chosen = numbers.flatMap((number) => relations[number] ?? []);
      return chosen.length === 0 ? null : { kind: 'truncate', ...at, relations: chosen, cascade, restartIdentity };
    }
    case 'm': {
      const [, transactional, prefix, content] = change;
      return { kind: 'message', ...at, transactional, prefix, content: Buffer.from(content, 'base64') };
    }
    case 'd': {
      const [, number, image, tuple] = change;
      const relation = relations[number] ?? null;
      return relation && { kind: 'delete', ...at, relation, before: { image, tuple: cells(tuple) as Tuple } };
    }
    case 'u': {
      const [, number, after, image, old] = change;
      const relation = relations[number] ?? null;
      const before = image === null ? null : { image, tuple: cells(old) as Tuple };
      return relation && { kind: 'update', ...at, relation, before, after: cells(after) };
    }
    default: {
      const relation = relations[change[1]] ?? null;
      return relation && { kind: 'insert', ...at, relation, after: cells(change[2]) as Tuple };
    }
  }
}

const cells = (values: readonly JournalCell[]): PartialTuple =>
  values.map((value) => (value === 0 ? UNCHANGED : value));
