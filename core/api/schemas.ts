import { urlPattern } from '../postgres/connect.ts';
import { Choice, Duration, List, Part, Size, type Static, Text, Type, schemaOf } from '../base/options.ts';

const pattern = Text({ description: 'Glob on schema.table; a name without a dot is in schema public.' });
const patterns = (description: string) => List(pattern, { minItems: 1, description, change: { effect: 'tables' } });

/** A source's `tables`; core adds it to a source plugin that does not declare the key. */
export const tablesSchema = Part(
  {
    include: Type.Optional(
      patterns('Globs on schema.table; a name without a dot is in schema public. Default: every user table.'),
    ),
    exclude: Type.Optional(patterns('Globs on schema.table to leave out of what include chooses.')),
  },
  { description: 'Tables to replicate. Default: every user table. A pattern that matches nothing is an error.' },
);
/** Which tables of the source. */
export type TablesOption = Readonly<Static<typeof tablesSchema>>;

/** A source's `snapshot`, read by core; core adds it to a source plugin that does not declare the key. */
export const snapshotSchema = Part(
  {
    mode: Choice(['initial', 'initial_only', 'never'], {
      default: 'initial',
      description:
        'initial: copy, then follow. initial_only: copy and end. never: follow only, from where the slot is made.',
    }),
    workers: Type.Integer({
      minimum: 1,
      maximum: 64,
      default: 4,
      description: 'Connections that copy at the same time.',
    }),
    chunk_size: Size({ default: '256MB', description: 'A larger table is read in ranges of about this size.' }),
    ledger_above: Size({
      default: '10GB',
      description:
        'A larger table is copied in ranges of its key, each exact at a position of its own, so that a broken copy goes on where it was.',
    }),
    from: Type.Optional(
      List(Type.String({ pattern: urlPattern }), {
        minItems: 1,
        secret: true,
        description:
          'libpq URLs of physical standbys of the source: ranges of large tables (`ledger_above`) are read there.',
      }),
    ),
    stream: Choice(['after', 'during'], {
      default: 'after',
      description:
        'after: changes are applied once the copy is done; the slot keeps their WAL until then. during: also between two snapshots of the copy, as `max_age` (1 hour, if not set) divides it.',
    }),
    max_age: Type.Optional(
      Duration({
        description:
          'No snapshot is read for longer: what is left is copied under a new one with a position of its own. Default: one snapshot for the whole copy.',
      }),
    ),
  },
  { description: 'How the tables are copied before the stream is followed.' },
);
/** How a pipeline starts; sizes in bytes of heap. */
export type SnapshotOption = Readonly<Static<typeof snapshotSchema>>;
export type SnapshotMode = SnapshotOption['mode'];

/** `refetch` of a transform that reads values: how a value comes is not what it is, so a running pipeline takes a change up. */
export const refetchSchema = Type.Boolean({
  default: true,
  description:
    'A value that an UPDATE did not send (a large one that it left untouched) and that is needed is read from the source; false: the stream stops there.',
});

/** One glob on `schema.table`, or a list of them: `tables` of transforms and sinks. */
export const tableListSchema = schemaOf<string | readonly string[]>({
  anyOf: [pattern, List(pattern, { minItems: 1 })],
  description: "Globs on the source's schema.table that this applies to. Default: all.",
});
