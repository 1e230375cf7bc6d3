import type { CheckReport, Finding } from '../../core/api/check.ts';
import type { TopicSpec } from './client/producer.ts';
import type { Settings } from './settings.ts';
import { type Access, errors } from './wire/access.ts';

export interface AccessWanted {
  /** Topics that are there. */
  readonly present: readonly string[];
  /** Topics that the run will make. */
  readonly missing: readonly TopicSpec[];
  /** Topics that rows choose. */
  readonly chosen: readonly ChosenTopics[];
  /** `User:alice`; null: not known. */
  readonly principal: string | null;
  /** There is a snapshot, whose transactions have ids of their own. */
  readonly copies: boolean;
}

/** Topics whose names are known when their first row comes. */
export interface ChosenTopics {
  /** What chooses them. */
  readonly subject: string;
  /** With which all their names begin. */
  readonly prefix: string;
  /** A topic of such a name, as it would be made; null: none is. */
  readonly example: TopicSpec | null;
}

/** A name that no topic has. */
const unlikely = 'pgsluice-check-4f1d';
export const exampleName = (prefix: string): string => `${prefix}${unlikely}`;

/** Tries the rights that the run needs. What Kafka has no authorizer for is allowed. */
export async function checkAccess(
  settings: Settings,
  access: Access,
  { wanted, report }: { readonly wanted: AccessWanted; readonly report: CheckReport },
): Promise<void> {
  const { present, missing } = wanted;
  const allow = (what: string) =>
    `kafka-acls.sh --bootstrap-server HOST:PORT --add --allow-principal '${wanted.principal ?? 'User:NAME'}' ${what}`;
  const refused = (subject: string, message: string, remedy: string): Finding => ({
    check: 'kafka-acl',
    level: 'error',
    subject,
    message,
    remedy,
    code: 'PGS5004',
  });
  const topics = [...present, ...missing.map(({ name }) => name)];
  const unwritable = new Set(await access.cannotWrite(topics));
  for (const topic of unwritable) {
    const remedy = allow(`--operation Write --operation Describe --topic '${topic}'`);
    report.add(refused(topic, 'the user may not write to the topic', remedy));
  }
  for (const each of wanted.chosen) report.add(await chosenFinding(access, each, allow));
  const read = [
    ...(settings.exactlyOnce ? [settings.positionTopic] : []),
    ...(settings.signals?.topic ? [settings.signals.topic] : []),
  ];
  for (const topic of await access.cannotRead(read)) {
    const remedy = allow(`--operation Read --operation Describe --topic '${topic}'`);
    report.add(refused(topic, 'the user may not read the topic', remedy));
  }
  for (const { topic, code, message } of await access.cannotCreate(missing)) {
    if (code === errors.topicAuthorization) {
      report.add(refused(topic, 'the user may not make the topic', allow(`--operation Create --topic '${topic}'`)));
    } else if (code === errors.topicExists) {
      const remedy = allow(`--operation Describe --topic '${topic}'`);
      report.add(refused(topic, 'the topic is there, and the user may not see it', remedy));
    } else {
      const said = message ?? `error ${code}`;
      report.add({
        ...refused(topic, `the broker would not make it: ${said}`, 'Mend the topic’s options.'),
        code: 'PGS5006',
      });
    }
  }
  if (settings.exactlyOnce) {
    const { transactionalId } = settings;
    const ids = wanted.copies ? [transactionalId, `${transactionalId}.snapshot.0`] : [transactionalId];
    for (const id of ids) {
      if (await access.mayWriteAs(id)) continue;
      const remedy = allow(
        `--operation Write --operation Describe --transactional-id '${transactionalId}' --resource-pattern-type prefixed`,
      );
      report.add(refused(`transactional id ${id}`, 'the user may not write with it', remedy));
      break;
    }
  }
}

/** Rights by prefix are tried by a name that nobody gave a right of its own; such rights may do, so nothing is refused. */
async function chosenFinding(
  access: Access,
  { subject, prefix, example }: ChosenTopics,
  allow: (what: string) => string,
): Promise<Finding> {
  const any = prefix === '' ? 'any topic' : `any topic whose name begins with ${prefix}`;
  const write = (await access.cannotWrite([exampleName(prefix)])).length === 0;
  const refusals = example === null ? [] : await access.cannotCreate([example]);
  const create = refusals.every(({ code }) => code !== errors.topicAuthorization);
  const finding = { check: 'kafka-acl', subject } as const;
  if (write && create) return { ...finding, level: 'ok', message: `the user may write to ${any}`, remedy: null };
  const what = [write ? [] : ['write to'], create ? [] : ['make']].flat().join(' and ');
  const operations = `--operation Write --operation Describe${example === null ? '' : ' --operation Create'}`;
  const names = prefix === '' ? `--topic '*'` : `--topic '${prefix}' --resource-pattern-type prefixed`;
  return {
    ...finding,
    level: 'warning',
    message: `the user may not ${what} ${any}: where no ACL of its own allows a topic that a row chooses, that row stops the run (PGS5004)`,
    remedy: allow(`${operations} ${names}`),
  };
}
