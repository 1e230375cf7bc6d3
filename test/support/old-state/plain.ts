import type { CommitLsn, Relation, RowCopy, StreamBatch } from 'pgsluice/api';

/** A sink as they were written for version 0.1.0: every member there, null for what it has not. Keeps nothing, its position neither. */
let upTo: CommitLsn | null = null;
export default {
  kind: 'sink',
  name: 'plain',
  apiVersion: 1,
  summary: 'Keeps nothing',
  options: { type: 'object', additionalProperties: false, properties: {} },
  create: async () => ({
    traits: async () => ({ rawFormats: [], needsKey: false, existing: null, messages: false }),
    snapshot: {
      prepare: async () => {},
      begin: async () => {},
      loaded: async () => {},
      finishTable: async () => {},
      finish: async () => {},
      load: async (_plan: { readonly output: Relation }, copy: RowCopy) => {
        let rows = 0n;
        for await (const some of copy.rows) rows += BigInt(some.length);
        return { rows, bytes: 0 };
      },
    },
    stream: {
      resume: async () => null,
      write: async (batch: StreamBatch) => {
        upTo = batch.boundary ?? upTo;
        return { status: 'accepted' };
      },
      flush: async () => upTo,
    },
    digests: null,
    cutover: null,
    check: async () => {},
    cleanup: async () => [],
    [Symbol.asyncDispose]: async () => {},
  }),
};
