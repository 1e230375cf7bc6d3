/** Areas that can be left out by name, so that a known fault in one does not hide those in the others. */
export const features = {
  types: 'every type, not only the common ones',
  keys: 'keys of other types than integer, composite ones, INCLUDE, a second unique key, an index as identity',
  deferrable: 'keys that are checked later',
  collations: 'key columns of other collations, nondeterministic ones too',
  full: 'REPLICA IDENTITY FULL with and without a key',
  generated: 'stored generated columns, virtual ones on 18',
  generated_full: 'generated columns under REPLICA IDENTITY FULL',
  dropped: 'dropped columns',
  constraints: 'checks, foreign keys, indexes',
  trees: 'partitioned tables',
  inherit: 'tables that inherit',
  toast: 'values out of line that an UPDATE does not send',
  identity: 'identity columns and serials',
  truncate: 'TRUNCATE',
  copy: 'COPY into the source',
  twophase: 'PREPARE TRANSACTION',
  large: 'large transactions',
  transforms: 'filter, rename, columns, set, mask',
  kills: 'SIGKILL of a run',
  ranges: 'tables in tiny ranges of their key, slowly, under snapshots of a small age',
  cuts: 'connections that are cut',
  ddl: 'ALTER TABLE and the like with ddl: follow',
  members: 'partitions, children and tables that come and go, in both modes',
  existing: 'schema: existing',
  file: 'checkpoint in a file',
  verify: 'the verdict of verify on equal sides',
  spoil: 'the verdict of verify on sides that differ',
  cutover: 'the verdict of cutover, and sequences after it',
  late: 'objects made on the source just before a cutover, which must not be passed over',
  lanes:
    'several lanes of the sink, of another number and another way of dividing at each start; only where it is asked for',
  journal: 'the chain of a reader, a journal in Kafka and appliers; only where it is asked for',
  owners: 'an owner with REPLICATION on the source, one with CREATEDB and CREATEROLE on the target, no superuser',
} as const;
export type Feature = keyof typeof features;

/** Left out unless asked for by name. */
const asked: readonly Feature[] = ['lanes', 'ranges', 'journal'];

const names = Object.keys(features) as Feature[];

/** The features that a command line names. Throws an Error that names the word that is none. */
export function chosenFeatures(only: string | undefined, without: string | undefined): ReadonlySet<Feature> {
  const list = (words: string | undefined) => (words ?? '').split(',').filter((word) => word !== '');
  const unknown = [...list(only), ...list(without)].find((word) => word !== 'all' && !names.includes(word as Feature));
  if (unknown !== undefined) throw new Error(`there is no feature ${unknown}; there are: ${names.join(', ')}`);
  const from = list(only);
  const start = from.length === 0 ? names.filter((name) => !asked.includes(name)) : from.includes('all') ? names : from;
  return new Set((start as Feature[]).filter((name) => !list(without).includes(name)));
}
