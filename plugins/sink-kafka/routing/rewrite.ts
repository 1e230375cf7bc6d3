import { kafkaError } from '../errors.ts';

/** A regular expression with its replacement; null: it does not match the whole name. */
export type Rewrite = (name: string) => string | null;

/**
 * As Debezium's ByLogicalTableRouter rewrites names: the expression matches the whole of it, and the replacement is one of
 * Java's (`$1`, `${name}`, a backslash before what is meant literally). PGS5063 where either cannot be.
 */
export function rewriteOf(regex: string, replacement: string, option: string): Rewrite {
  const flags = /^\(\?([is]+)\)/.exec(regex);
  const pattern = compiled(flags === null ? regex : regex.slice(flags[0].length), flags?.[1] ?? '', option);
  const parts = replacementParts(replacement);
  const groups = new RegExp(`${pattern.source}|`, pattern.flags).exec('') as RegExpExecArray;
  for (const part of parts) {
    const known =
      typeof part === 'string' ||
      (typeof part.group === 'number' ? part.group < groups.length : part.group in (groups.groups ?? {}));
    if (!known) throw wrong(`${option}: the regular expression has no group ${String(part.group)}`);
  }
  return (name) => {
    const match = pattern.exec(name);
    if (match === null) return null;
    return parts
      .map((part) => {
        if (typeof part === 'string') return part;
        return (typeof part.group === 'number' ? match[part.group] : match.groups?.[part.group]) ?? '';
      })
      .join('');
  };
}

function compiled(regex: string, flags: string, option: string): RegExp {
  try {
    return new RegExp(`^(?:${regex})$`, flags);
  } catch (cause) {
    throw wrong(`${option}: ${(cause as Error).message}`, cause);
  }
}

type Part = string | { readonly group: number | string };

/** Of a group's number only the first digit counts: Java takes more of them only where there are as many groups. */
function replacementParts(text: string): readonly Part[] {
  const parts: Part[] = [];
  for (const [all, escaped, name, digit] of text.matchAll(/\\(.)|\$\{(\w+)\}|\$(\d)|[^\\$]+|[\\$]/gs)) {
    if (escaped !== undefined) parts.push(escaped);
    else if (name !== undefined) parts.push({ group: /^\d+$/.test(name) ? Number(name) : name });
    else if (digit !== undefined) parts.push({ group: Number(digit) });
    else parts.push(all);
  }
  return parts;
}

function wrong(message: string, cause?: unknown) {
  return kafkaError('PGS5063', message, cause === undefined ? {} : { cause });
}
