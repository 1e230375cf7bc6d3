import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceSample, SourceSurvey } from '../../../../../core/api/assessment.ts';
import { printOutlook } from '../../../../../core/operations/plan/outlook.ts';

const mega = 1024 ** 2;
const survey = (slotKeepsBytes: number | null): SourceSurvey => ({
  version: 170000,
  slotKeepsBytes,
  seesSessions: true,
  largeObjects: 0,
  extensions: [],
  // An hour of copy at 40 MB/s, half an hour of indexes at 20 MB/s.
  tables: [
    {
      oid: 1,
      name: 'public.t',
      heap: 3000 * 40 * mega,
      toast: 600 * 40 * mega,
      indexes: 1800 * 20 * mega,
      rows: 1,
      identified: true,
      unlogged: false,
    },
  ],
});
const sample = (at: number, wal: number, of: { walBytes: number; walSeconds: number | null }): SourceSample => ({
  at,
  wal: BigInt(wal),
  ...of,
  oldestWriter: null,
  tables: new Map(),
});

test('time, WAL and catching up are reckoned by the higher of the two rates', () => {
  const mean = { walBytes: 1000 * 2 * mega, walSeconds: 1000 };
  const quiet = printOutlook(survey(8192 * mega), 3_600_000, {
    before: sample(0, 0, mean),
    after: sample(1000, mega, mean),
  });
  assert.match(quiet, /^copy: 141 GB of tables, about 1 h 0 min/m);
  assert.match(quiet, /^indexes: 35\.2 GB, about 30 min 0 s/m);
  assert.match(quiet, /^WAL of the source: 1\.0 MB\/s now, 2\.0 MB\/s on average for/m);
  assert.match(quiet, /keeps meanwhile: about 10\.5 GB .*max_slot_wal_keep_size is 8\.0 GB: the slot would be lost$/m);
  const busy = printOutlook(survey(null), 60_000, { before: sample(0, 0, mean), after: sample(2000, 40 * mega, mean) });
  assert.match(busy, /about 105 GB .*no limit$/m);
  assert.match(busy, /^catching up afterwards: never/m);
  const unknown = { walBytes: 5, walSeconds: null };
  assert.match(
    printOutlook(survey(null), 60_000, { before: sample(0, 0, unknown), after: sample(1000, 0, unknown) }),
    /0 B\/s now$/m,
  );
});
