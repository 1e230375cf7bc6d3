import type { Finding } from '../../api/check.ts';
import type { TablePlan } from '../../api/plan.ts';
import { largeNeeded } from '../../pipeline/plan/large-needed.ts';
import { identityFull } from '../../pipeline/plan/notes.ts';
import { relationName } from '../../postgres/relation.ts';

/** Tables whose transforms may need a large value that an UPDATE left untouched, and what happens then. Pure. */
export function unsentValues(name: string, plans: readonly TablePlan[]): readonly Finding[] {
  const needing = plans.filter((plan) => largeNeeded(plan).length > 0);
  const found = (level: Finding['level'], message: string, remedy: string | null): Finding => {
    return { check: 'unsent-values', subject: `sink ${name}`, level, message, remedy };
  };
  const fetched = needing.filter((plan) => plan.refetch === true);
  const stopping = needing.filter((plan) => plan.refetch !== true);
  return [
    ...(fetched.length === 0
      ? []
      : [
          found(
            'ok',
            `large values that an UPDATE leaves untouched may be read from the source, where they may be those of a later change until the stream has passed it: ${listed(fetched)}`,
            null,
          ),
        ]),
    ...(stopping.length === 0
      ? []
      : [
          found(
            'warning',
            `with \`refetch: false\`, an UPDATE that leaves a large value untouched may stop the stream: ${listed(stopping)}`,
            stopping.map((plan) => `${identityFull(plan)};`).join(' '),
          ),
        ]),
  ];
}

function listed(plans: readonly TablePlan[]): string {
  const names = plans.slice(0, 10).map((plan) => `${relationName(plan.source)} (${largeNeeded(plan).join(', ')})`);
  return plans.length > 10 ? `${names.join(', ')} and ${plans.length - 10} more tables` : names.join(', ');
}
