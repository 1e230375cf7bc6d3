/** What somebody asks of a run, in the form of Debezium's signals: a type, and with what, as JSON. */
export interface Signal {
  readonly id: string;
  readonly type: string;
  readonly data: string | null;
}

/** Where signals come from. */
export interface SignalChannel {
  /** Table of the source (`schema.table`) whose new rows are signals: its first three columns are id, type and data. Null: none. */
  readonly table: string | null;
  /**
   * Those that came by another way behind this mark, and the mark behind them; waits a second or so where there are none. After
   * null the mark is that of now. Absent: there is no other way.
   */
  readonly next?:
    | ((
        after: string | null,
        signal: AbortSignal,
      ) => Promise<{ readonly signals: readonly Signal[]; readonly mark: string }>)
    | undefined;
}
