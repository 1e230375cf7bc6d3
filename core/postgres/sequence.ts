/** The parameters of a sequence (manual: pg_sequence). */
export interface SequenceDefinition {
  /** smallint, integer or bigint. */
  readonly type: string;
  readonly start: bigint;
  readonly increment: bigint;
  readonly min: bigint;
  readonly max: bigint;
  readonly cache: bigint;
  readonly cycle: boolean;
}

export interface Sequence {
  readonly schema: string;
  readonly name: string;
  readonly definition: SequenceDefinition;
  /**
   * The column that owns the sequence, if one does. A column may own several: `identity` is the one that GENERATED … AS
   * IDENTITY reads, the others are a serial's or OWNED BY.
   */
  readonly ownedBy: {
    readonly schema: string;
    readonly table: string;
    readonly column: string;
    readonly identity: boolean;
  } | null;
}

/** A sequence with the values that the next nextval depends on: last_value and is_called of the sequence relation. */
export interface SequenceState extends Sequence {
  readonly lastValue: bigint;
  readonly isCalled: boolean;
}
