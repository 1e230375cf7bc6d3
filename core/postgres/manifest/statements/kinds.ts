import type { ManifestObject, ObjectKind } from '../types.ts';
import {
  alterFunction,
  alterConfiguration,
  alterEventTrigger,
  alterOperatorFamily,
  createAccessMethod,
  createAggregate,
  createCast,
  createCollation,
  createConversion,
  createEventTrigger,
  createFunction,
  createLanguage,
  createOperator,
  createOperatorClass,
  createOperatorFamily,
  createSearch,
  createTransform,
} from './code.ts';
import { addColumn, alterColumn, columnOfParent } from './column.ts';
import { commonProps, commonSteps } from './common.ts';
import {
  alterDatabase,
  alterExtension,
  alterForeign,
  alterPublication,
  createExtension,
  createMapping,
  createPublication,
  createSchema,
  createServer,
  createSubscription,
  createWrapper,
  defaultPrivileges,
  roleSettings,
} from './database.ts';
import {
  alterConstraint,
  alterIndex,
  alterRule,
  alterSequence,
  alterStatistics,
  alterTrigger,
  alterView,
  createConstraint,
  createIndex,
  createPolicy,
  createRule,
  createSequence,
  createStatistics,
  createTrigger,
  createView,
  viewColumn,
} from './parts.ts';
import { type Step, type Writing, relationOf } from './step.ts';
import { alterTable, createTable } from './table.ts';
import {
  addAttribute,
  alterAttribute,
  alterDomain,
  alterDomainConstraint,
  alterEnum,
  createDomainConstraint,
  createType,
} from './types.ts';

type Create = (wanted: ManifestObject, writing: Writing) => Step[];
/** Null: the object has to be created again. */
type Alter = (there: ManifestObject, wanted: ManifestObject, writing: Writing) => Step[] | null;

export interface KindRules {
  /** Order among objects that do not depend on each other. */
  readonly rank: number;
  readonly create: Create;
  readonly alter: Alter;
}

/** A change of anything but owner, comment, label or grant needs a new object. */
const commonOnly: Alter = (there, wanted, writing) => {
  const names = new Set([...Object.keys(there.props), ...Object.keys(wanted.props)]);
  const other = [...names].some(
    (name) => !commonProps.has(name) && (there.props[name] ?? null) !== (wanted.props[name] ?? null),
  );
  return other ? null : commonSteps(there, wanted, writing);
};

/** Columns of a typed table are created with the attributes of its type. */
const createColumn: Create = (wanted, writing) =>
  ofView(wanted, writing) || (relationOf(writing.wanted, wanted.name)?.props['of type'] ?? null) !== null
    ? []
    : (columnOfParent(wanted, writing) ?? addColumn(wanted, writing));
const changeColumn: Alter = (there, wanted, writing) =>
  ofView(wanted, writing) ? viewColumn(there, wanted, writing) : alterColumn(there, wanted, writing);

function ofView(column: ManifestObject, { wanted }: Writing): boolean {
  return relationOf(wanted, column.name)?.kind.endsWith('view') ?? false;
}

const none = (): Step[] => [];

export const kindRules: Readonly<Record<ObjectKind, KindRules>> = {
  database: { rank: 0, create: none, alter: alterDatabase },
  schema: { rank: 1, create: createSchema, alter: commonOnly },
  extension: { rank: 2, create: createExtension, alter: alterExtension },
  'access method': { rank: 3, create: createAccessMethod, alter: commonOnly },
  language: { rank: 3, create: createLanguage, alter: commonOnly },
  collation: { rank: 4, create: createCollation, alter: commonOnly },
  enum: { rank: 6, create: createType, alter: alterEnum },
  'composite type': { rank: 6, create: createType, alter: commonOnly },
  attribute: { rank: 7, create: addAttribute, alter: alterAttribute },
  domain: { rank: 6, create: createType, alter: alterDomain },
  'domain constraint': { rank: 9, create: createDomainConstraint, alter: alterDomainConstraint },
  'range type': { rank: 6, create: createType, alter: commonOnly },
  'base type': { rank: 11, create: createType, alter: commonOnly },
  function: { rank: 10, create: createFunction, alter: alterFunction },
  procedure: { rank: 10, create: createFunction, alter: alterFunction },
  aggregate: { rank: 12, create: createAggregate, alter: commonOnly },
  operator: { rank: 13, create: createOperator, alter: commonOnly },
  'operator family': { rank: 14, create: createOperatorFamily, alter: alterOperatorFamily },
  'operator class': { rank: 15, create: createOperatorClass, alter: commonOnly },
  cast: { rank: 16, create: createCast, alter: commonOnly },
  transform: { rank: 16, create: createTransform, alter: commonOnly },
  conversion: { rank: 16, create: createConversion, alter: commonOnly },
  'text search parser': { rank: 16, create: createSearch, alter: commonOnly },
  'text search template': { rank: 16, create: createSearch, alter: commonOnly },
  'text search dictionary': { rank: 17, create: createSearch, alter: commonOnly },
  'text search configuration': { rank: 18, create: createSearch, alter: alterConfiguration },
  'foreign data wrapper': { rank: 18, create: createWrapper, alter: alterForeign },
  'foreign server': { rank: 19, create: createServer, alter: alterForeign },
  'user mapping': { rank: 19, create: createMapping, alter: commonOnly },
  sequence: { rank: 20, create: createSequence, alter: alterSequence },
  table: { rank: 21, create: createTable, alter: alterTable },
  'foreign table': { rank: 21, create: createTable, alter: alterTable },
  column: { rank: 22, create: createColumn, alter: changeColumn },
  constraint: { rank: 30, create: createConstraint, alter: alterConstraint },
  index: { rank: 31, create: createIndex, alter: alterIndex },
  view: { rank: 36, create: createView, alter: alterView },
  'materialized view': { rank: 37, create: createView, alter: alterView },
  statistics: { rank: 39, create: createStatistics, alter: alterStatistics },
  rule: { rank: 41, create: createRule, alter: alterRule },
  trigger: { rank: 42, create: createTrigger, alter: alterTrigger },
  policy: { rank: 43, create: createPolicy, alter: commonOnly },
  publication: { rank: 50, create: createPublication, alter: alterPublication },
  subscription: { rank: 51, create: createSubscription, alter: commonOnly },
  'role settings': { rank: 60, create: (wanted, writing) => roleSettings(null, wanted, writing), alter: roleSettings },
  'default privileges': {
    rank: 61,
    create: (wanted, writing) => defaultPrivileges(null, wanted, writing),
    alter: defaultPrivileges,
  },
  'event trigger': { rank: 62, create: createEventTrigger, alter: alterEventTrigger },
  'large objects': { rank: 70, create: none, alter: none },
};

/** Ranks of steps that come later than their object. */
export const laterRanks = { attach: 33, owned: 34, identity: 34, foreignKey: 40 } as const;
