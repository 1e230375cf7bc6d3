import { type Oid, type Relation, relationName } from '../../../core/postgres/relation.ts';
import { streamError } from './errors.ts';
import { sameWire, type WireRelation } from './wire.ts';

/**
 * The shape of each table from here on in the stream. The server repeats a Relation message for internal reasons, and
 * after DDL; an equal shape of the same columns keeps its object, so plans for the object stay valid, and any other
 * shape makes a new one.
 */
export class RelationCache {
  readonly #wires = new Map<Oid, WireRelation>();
  readonly #relations = new Map<Oid, Relation>();
  readonly #typeNames = new Map<Oid, string>();

  /** The shapes of rows that arrive now. */
  get byOid(): ReadonlyMap<Oid, Relation> {
    return this.#relations;
  }

  /** A Type message: names of types that are not built in come before the relations that use them. */
  nameType(oid: Oid, schema: string, name: string): void {
    this.#typeNames.set(oid, `${schema}.${name}`);
  }

  typeName(oid: Oid): string | null {
    return this.#typeNames.get(oid) ?? null;
  }

  /** The known shape, if the message is equal to it; else null. */
  known(wire: WireRelation): Relation | null {
    const before = this.#wires.get(wire.oid);
    return before !== undefined && sameWire(before, wire) ? (this.#relations.get(wire.oid) ?? null) : null;
  }

  /** Refuses a description whose columns differ from the message's: rows would shift (PGS2163). */
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
    this.#wires.set(wire.oid, wire);
    this.#relations.set(wire.oid, relation);
  }
}
