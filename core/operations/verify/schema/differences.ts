import type { Uncovered } from '../../coverage/uncovered.ts';
import type { SinkSchema } from './compare-schemas.ts';
import type { SchemaFinding } from './findings.ts';

/** What keeps the target's schema from being the source's, in the terms of the one list. At the end nothing may be pending. */
export function schemaDifferences(schemas: readonly SinkSchema[], moment: 'following' | 'final'): readonly Uncovered[] {
  const counts = (of: SchemaFinding): boolean =>
    ['difference', 'role', 'owner'].includes(of.class) || (of.class === 'pending' && moment === 'final');
  return schemas.flatMap(({ findings }) =>
    findings.filter(counts).map(({ class: of, name, kind, what, statements }) => {
      const remedy = statements.length === 0 ? null : statements.map(({ sql }) => `${sql};`).join(' ');
      return {
        name,
        kind,
        why: of === 'owner' ? `${what}; our role may not act as that owner` : what,
        remedy,
        blocks: of !== 'owner',
      };
    }),
  );
}
