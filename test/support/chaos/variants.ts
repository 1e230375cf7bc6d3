import type { Expectation } from './compare.ts';

/** How a seed's pipeline differs from the plain one. */
export interface Variant {
  readonly name: string;
  /** The target's tables are made beforehand. */
  readonly existing: boolean;
  /** The target's user may not set session_replication_role: triggers and foreign keys act on what is applied. */
  readonly restricted: boolean;
  readonly checkpointFile: boolean;
  /** YAML of `transforms:`, or nothing. */
  readonly transforms: string;
  readonly expectations: ReadonlyMap<string, Expectation>;
}

const plain: Variant = {
  name: 'plain',
  existing: false,
  restricted: false,
  checkpointFile: false,
  transforms: '',
  expectations: new Map(),
};

const transforms = `
transforms:
  - plugin: filter
    tables: public.acct
    where: grp <> 3
  - plugin: rename
    tables: public.acct
    to: crm.account
    columns: { note: memo, at: "Created at" }
  - plugin: set
    tables: public.acct
    columns:
      n: { expr: "n * 2 + grp", type: "numeric(14,3)" }
      label: "coalesce(upper(memo), '?') || '-' || id::text"
  - plugin: filter
    tables: public.fullpk
    where: t IS NOT NULL AND id % 3 <> 0
  - plugin: filter
    tables: public.comp
    where: a <> 2
  - plugin: columns
    tables: public.comp
    drop: [c]
  - plugin: rename
    tables: public.nokey
    to: "{table}_moved"
  - plugin: filter
    tables: public.nokey
    where: a > 1 OR a IS NULL
`;

const mapped: Variant = {
  ...plain,
  name: 'transforms',
  transforms,
  expectations: new Map([
    [
      'public.acct',
      {
        target: 'crm.account',
        select: `SELECT id, grp, note AS memo, (n * 2 + grp)::numeric(14,3) AS n, m, tags, d, at AS "Created at",
          coalesce(upper(note COLLATE "und-x-icu"), '?') || '-' || id::text AS label FROM ONLY public.acct WHERE grp <> 3`,
      },
    ],
    [
      'public.fullpk',
      { target: 'public.fullpk', select: 'SELECT * FROM ONLY public.fullpk WHERE t IS NOT NULL AND id % 3 <> 0' },
    ],
    ['public.comp', { target: 'public.comp', select: 'SELECT a, b, v FROM ONLY public.comp WHERE a <> 2' }],
    [
      'public.nokey',
      { target: 'public.nokey_moved', select: 'SELECT * FROM ONLY public.nokey WHERE a > 1 OR a IS NULL' },
    ],
  ]),
};

const variants: readonly Variant[] = [
  plain,
  { ...plain, name: 'checkpoint in a file', checkpointFile: true },
  mapped,
  { ...plain, name: 'existing tables', existing: true },
  plain,
  { ...plain, name: 'existing tables, restricted user', existing: true, restricted: true },
  { ...mapped, name: 'transforms, checkpoint in a file', checkpointFile: true },
];

export function variantOf(seed: number): Variant {
  return variants[seed % variants.length]!;
}
