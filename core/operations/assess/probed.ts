/** What was measured: so many bytes in so many seconds. `why`: nothing was; `failed`: it was tried. */
export type Probed =
  | { readonly bytes: number; readonly seconds: number }
  | { readonly why: string; readonly failed?: true };

/** `copy`: bytes of tables with TOAST, as they lie on the source. `decode`: bytes of WAL. */
export interface Probe {
  readonly copy: Probed;
  /** The tables whose rows transforms change, with and without them; null: there are none. */
  readonly transforms: { readonly tables: number; readonly with: Probed; readonly without: Probed } | null;
  /** Bytes of indexes that were built over what the probe of the copy loaded. */
  readonly index: Probed;
  readonly decode: Probed;
}

/** Bytes a second; 0 where nothing was measured. */
export function rateOf(probed: Probed): number {
  return 'why' in probed || probed.seconds <= 0 ? 0 : probed.bytes / probed.seconds;
}
