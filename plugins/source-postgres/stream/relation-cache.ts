import { type Oid, type Relation, relationName } from '../../../core/postgres/relation.ts';
import { malformed } from './message-reader.ts';
import { streamError } from './errors.ts';
import { sameWire, type WireRelation } from './wire.ts';

interface Entry {
  readonly wire: WireRelation;
  readonly relation: Relation;
}

/**
 * What each table looks like from here on in the stream. The server repeats a Relation message for reasons of its own, and after
 * DDL; an equal shape of the same columns keeps its object, so plans that hang on the object stay valid, and any other makes a new one.
 */
export class RelationCache {
  readonly #entries = new Map<Oid, Entry>();
  readonly #typeNames = new Map<Oid, string>();

  /** A Type message: names of types that are not built in come before the relations that use them. */
  nameType(oid: Oid, schema: string, name: string): void {
    this.#typeNames.set(oid, `${schema}.${name}`);
  }

  typeName(oid: Oid): string | null {
    return this.#typeNames.get(oid) ?? null;
  }

  /** The table as it is known, where the message says the same; else null. */
  known(wire: WireRelation): Relation | null {
    const entry = this.#entries.get(wire.oid);
    return entry !== undefined && sameWire(entry.wire, wire) ? entry.relation : null;
  }

  /** Refuses a description whose columns are not the message's: rows would shift (PGS2163). */
  put(wire: WireRelation, relation: Relation): void {
    const fits =
      relation.columns.length === wire.columns.length &&
      relation.columns.every((column, i) => column.name === wire.columns[i]?.name);
    if (!fits) {
      const names = wire.columns.map(({ name }) => name).join(', ');
      throw streamError('PGS2163', `the stream sends the columns (${names}), the catalog describes others`, {
        where: { table: relationName(wire) },
      });
    }
    this.#entries.set(wire.oid, { wire, relation });
  }

  get(oid: Oid): Relation {
    const entry = this.#entries.get(oid);
    if (entry === undefined) throw malformed(`a row of the relation ${oid}, which was not announced`);
    return entry.relation;
  }
}
