import type { CheckReport, Finding } from '../../core/api/check.ts';
import { PgsluiceError } from '../../core/base/error.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import { qualified } from '../../core/postgres/quote.ts';
import { type Relation, relationName } from '../../core/postgres/relation.ts';
import { checkAccess, exampleName } from './access-checks.ts';
import type { TopicAdmin, TopicSpec } from './client/producer.ts';
import { positionTopic } from './position.ts';
import { topicSpec } from './router.ts';
import type { RecordSchemas } from './schemas/record-schemas.ts';
import type { Settings } from './settings.ts';
import type { Access } from './wire/access.ts';

export interface CheckParts {
  readonly admin: TopicAdmin;
  readonly access: Access;
  /** `User:alice`; null: not known. */
  readonly principal: string | null;
  /** There is a snapshot, whose transactions have ids of their own. */
  readonly copies: boolean;
}

/** Preflight of the sink: brokers, topics, rights, keys and types. Changes nothing. */
export async function checkKafka(
  settings: Settings,
  parts: CheckParts,
  plans: readonly TablePlan[],
  report: CheckReport,
): Promise<void> {
  const { admin } = parts;
  let brokers: number;
  try {
    await admin.connect();
    brokers = await admin.brokers();
  } catch (error) {
    report.add(findingOf(error, 'kafka-brokers', 'sink kafka'));
    return;
  }
  report.add(ok('kafka-brokers', 'sink kafka', `${brokers} broker${brokers === 1 ? '' : 's'}`));
  if ((settings.replicationFactor ?? 0) > brokers) {
    report.add({
      check: 'kafka-replication-factor',
      level: 'error',
      subject: 'sink kafka',
      message: `replication_factor ${settings.replicationFactor} with ${brokers} brokers`,
      remedy: `replication_factor: ${brokers}`,
    });
  }
  if (settings.journal !== null) return checkTopics(settings, parts, plans, report);
  checkTables(settings, plans, report);
  await checkTopics(settings, parts, plans, report);
  await checkSchemas(settings, plans, report);
  await checkSignals(settings, admin, { plans, report });
}

async function checkSignals(
  { signals }: Settings,
  admin: TopicAdmin,
  { plans, report }: { readonly plans: readonly TablePlan[]; readonly report: CheckReport },
): Promise<void> {
  if (signals === null) return;
  const { table, topic } = signals;
  const bad = (subject: string, message: string, remedy: string) =>
    report.add({ check: 'kafka-signals', level: 'error', subject, message, remedy, code: 'PGS5090' });
  if (table !== null) {
    const plan = plans.find(({ source }) => relationName(source) === table);
    const columns = plan?.source.columns.slice(0, 3).map(({ name }) => name) ?? [];
    const made = `CREATE TABLE ${table} (id varchar(255) PRIMARY KEY, type varchar(255) NOT NULL, data text)`;
    if (plan === undefined)
      bad(table, 'is to hold signals, and is not among the tables of the sink', `Make it and choose it: ${made}`);
    else if (columns.length < 3) bad(table, 'has no columns for id, type and data', made);
    else report.add(ok('kafka-signals', table, `its new rows are signals: ${columns.join(', ')}`));
  }
  if (topic === null) return;
  try {
    const partitions = (await admin.describe([topic])).get(topic)?.partitions ?? 0;
    const create = `kafka-topics.sh --bootstrap-server HOST:PORT --create --partitions 1 --topic '${topic}'`;
    if (partitions === 1) report.add(ok('kafka-signals', topic, 'its records are signals'));
    else if (partitions === 0) bad(topic, 'is to hold signals, and is not there (or not visible to this user)', create);
    else bad(topic, `is to hold signals, and has ${partitions} partitions: their order would be lost`, create);
  } catch (error) {
    report.add(findingOf(error, 'kafka-signals', topic));
  }
}

/** Whether the registry takes the schemas of the tables; what is wrong with the registry itself is told once. */
async function checkSchemas(settings: Settings, plans: readonly TablePlan[], report: CheckReport): Promise<void> {
  for (const { output } of plans) {
    const topic = settings.topicOf(output);
    const schemas = topic === null ? null : schemasOf(settings, output);
    if (topic === null || schemas === null) continue;
    try {
      for (const needed of settings.codecs.needed(topic, schemas)) {
        const { subject } = needed;
        const objection = await settings.codecs.objection(needed);
        report.add(
          objection === null ? ok('kafka-schema', subject, 'the registry takes it') : objected(subject, objection),
        );
      }
    } catch (error) {
      report.add(findingOf(error, 'kafka-registry', 'sink kafka'));
      return;
    }
  }
}

/** Null: the table has no form, which is told elsewhere. */
function schemasOf(settings: Settings, relation: Relation): RecordSchemas | null {
  try {
    return settings.formatOf(relation, 'stream').schemas;
  } catch (error) {
    if (error instanceof PgsluiceError) return null;
    throw error;
  }
}

function objected(subject: string, message: string): Finding {
  const remedy = 'Register the schema, or change the compatibility of the subject; or send the table to a new topic.';
  return { check: 'kafka-schema', level: 'error', subject, message, remedy };
}

function checkTables(settings: Settings, plans: readonly TablePlan[], report: CheckReport): void {
  const owners = new Map<string, string>();
  for (const plan of plans) {
    try {
      checkTable(settings, plan, { report, owners });
    } catch (error) {
      report.add(tableFinding(error, settings, plan));
    }
  }
}

function checkTable(
  settings: Settings,
  { output }: TablePlan,
  { report, owners }: { readonly report: CheckReport; readonly owners: Map<string, string> },
): void {
  const table = relationName(output);
  if (settings.events !== null) {
    settings.events.check(output);
    report.add(ok('kafka-topic', table, `its events go to ${settings.events.words}`));
    return;
  }
  const format = settings.formatOf(output, 'stream');
  const rule = settings.topicRule(output);
  settings.byRow(output);
  if (rule.kind === 'expr') {
    report.add(ok('kafka-topic', table, `its topics are chosen by row: ${rule.sql}`));
    if (settings.truncate !== 'skip') {
      const message = 'a TRUNCATE ends the run: its rows are in topics that are chosen by row';
      report.add(warning('kafka-truncate', table, message, 'truncate: skip'));
    }
  } else {
    const other = owners.get(rule.name);
    if (other !== undefined && rule.keyMember === null) {
      const remedy =
        'Use {schema} and {table} in `topic`, or `logical_tables`, which tells their keys apart, unless this is meant.';
      report.add(warning('kafka-topic-shared', table, `goes to ${rule.name}, as ${other} does`, remedy));
    }
    owners.set(rule.name, table);
  }
  if (format.rows.key.length > 0) return;
  const message = 'its records have no key and go to one partition, in order';
  report.add(warning('kafka-key', table, message, `key: { ${table}: [column] }`));
}

/** With the statement that mends it, where there is one. */
function tableFinding(error: unknown, settings: Settings, plan: TablePlan): Finding {
  const finding = findingOf(error, 'kafka-table', relationName(plan.output));
  const { code } = error as PgsluiceError;
  if (code === 'PGS5060') {
    const remedy = `ALTER TABLE ${qualified(plan.source)} REPLICA IDENTITY FULL`;
    return { ...finding, remedy, code, exit: 3 };
  }
  const passed = settings.deadLetters !== null && code === 'PGS5009';
  const message = `${finding.message}: all its rows go to the dead letters`;
  return passed ? { ...finding, level: 'warning', message } : finding;
}

function topicsOf(settings: Settings, plans: readonly TablePlan[]): readonly string[] {
  if (settings.journal !== null) return [settings.journal.topic];
  return settings.events === null ? [...new Set(plans.flatMap((plan) => settings.topicOf(plan.output) ?? []))] : [];
}

async function checkTopics(
  settings: Settings,
  { admin, access, principal, copies }: CheckParts,
  plans: readonly TablePlan[],
  report: CheckReport,
): Promise<void> {
  try {
    const names = topicsOf(settings, plans);
    const own = settings.exactlyOnce ? [settings.positionTopic] : [];
    const found = await admin.describe([...names, ...own]);
    const missing: TopicSpec[] = [];
    for (const name of names) {
      const info = found.get(name);
      if (info !== undefined) report.add(ok('kafka-topic', name, `${info.partitions} partitions`));
      else if (settings.createTopics) {
        report.add(ok('kafka-topic', name, 'will be made'));
        missing.push(topicSpec(settings, name));
      } else {
        report.add({
          check: 'kafka-topic',
          level: 'error',
          subject: name,
          message: 'does not exist (or is not visible to this user), and create_topics is false',
          remedy: `kafka-topics.sh --create --topic ${name}`,
        });
      }
    }
    for (const name of own) if (!found.has(name)) missing.push(positionTopic(name, settings.replicationFactor));
    const chosen = [...chosenBy(settings, plans)].map(([subject, prefix]) => ({
      subject,
      prefix,
      example: settings.createTopics ? topicSpec(settings, exampleName(prefix)) : null,
    }));
    const wanted = { present: [...found.keys()], missing, chosen, principal, copies };
    await checkAccess(settings, access, { wanted, report });
  } catch (error) {
    report.add(findingOf(error, 'kafka-topic', 'sink kafka'));
  }
}

/** What chooses topics by row, with the literal that their names begin with. */
function chosenBy(settings: Settings, plans: readonly TablePlan[]): ReadonlyMap<string, string> {
  if (settings.events !== null) return new Map([[`topics: ${settings.events.words}`, settings.events.prefix]]);
  const found = new Map<string, string>();
  for (const { output } of plans) {
    const rule = settings.topicRule(output);
    if (rule.kind === 'expr') found.set(`topic: ${rule.sql}`, literalStart(rule.sql));
  }
  return found;
}

/** `'orders.' || region` and `concat('orders.', region)` begin with `orders.`. */
export function literalStart(sql: string): string {
  const [, joined, first] = /^\s*(?:'((?:[^']|'')*)'\s*\|\||concat\s*\(\s*'((?:[^']|'')*)'\s*,)/i.exec(sql) ?? [];
  return (joined ?? first ?? '').replaceAll("''", "'");
}

function ok(check: string, subject: string, message: string): Finding {
  return { check, level: 'ok', subject, message, remedy: null };
}

function warning(check: string, subject: string, message: string, remedy: string): Finding {
  return { check, level: 'warning', subject, message, remedy };
}

function findingOf(error: unknown, check: string, subject: string): Finding {
  if (!(error instanceof PgsluiceError)) throw error;
  return { check, level: 'error', subject, message: `${error.code} ${error.message}`, remedy: error.remedy };
}
