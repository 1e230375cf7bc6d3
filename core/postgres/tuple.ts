/**
 * A value that the server did not send because the UPDATE left a large value untouched (manual: "Logical Replication
 * Message Formats", TupleData 'u'). I7.
 */
export const UNCHANGED: unique symbol = Symbol('unchanged');
export type Unchanged = typeof UNCHANGED;

/** The server's text output of a value (UTF-8, ISO DateStyle, hex bytea), or null for SQL NULL. */
export type Cell = string | null;
/** A value that was read by itself: where its text is too long for a string, as the bytes of that text. */
export type FetchedCell = Cell | Buffer;
/** A whole row, in the order of {@link Relation.columns}. */
export type Tuple = readonly Cell[];
/** A row of which some values may not have been sent. */
export type PartialTuple = readonly (Cell | Unchanged)[];
