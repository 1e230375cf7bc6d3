import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const listed = [
  group('Start', [
    ['What it does', '/'],
    ['From nothing to a cutover', '/start'],
    ['Install', '/install'],
    ['Before a migration: assess', '/assess'],
    ['The pipeline file', '/pipeline-file'],
  ]),
  group('Guides', [
    ['A major upgrade', '/guides/major-upgrade'],
    ['Own server to RDS', '/guides/on-premises-to-rds'],
    ['RDS to Aurora, Cloud SQL, AlloyDB', '/guides/rds-to-aurora-or-cloud-sql'],
    ['From Heroku', '/guides/heroku'],
    ['Production into staging, masked', '/guides/masking'],
    ['Merging shards', '/guides/merging-shards'],
    ['Splitting a database', '/guides/splitting'],
    ['One database out of many', '/guides/one-database'],
  ]),
  group('Running it', [
    ['Checks', '/checks'],
    ['Watching a run', '/watching'],
    ['Verify', '/verify'],
    ['Cutting over, and back', '/cutover'],
    ['DDL on the source', '/ddl'],
    ['Dead letters', '/dead-letters'],
    ['Troubleshooting', '/troubleshooting'],
  ]),
  group('Servers', [
    ['Connections', '/connections'],
    ['Managed services', '/managed'],
    ['Failover and standbys', '/failover'],
    ['Lanes', '/scaling'],
    ['What it makes on the source', '/source-objects'],
    ['Comparing schemas', '/schema'],
  ]),
  group('Changing rows', [
    ['Transforms', '/transforms'],
    ['Expressions', '/expressions'],
  ]),
  group('Kafka', [
    ['The Kafka sink', '/kafka'],
    ['Routing', '/kafka-routing'],
    ['Outbox', '/kafka-outbox'],
    ['Kafka as a source', '/kafka-source'],
  ]),
  group('Reference', [
    ['Options', '/reference/options'],
    ['Verbs', '/reference/verbs'],
    ['Metrics', '/reference/metrics'],
    ['Error codes', '/errors'],
    ['Glossary', '/glossary'],
  ]),
  group('How it works', [
    ['Design', '/design'],
    ['Comparison', '/comparison'],
    ['Figures', '/benchmarks'],
    ['Writing plugins', '/plugins'],
    ['How to add something', '/contributing'],
    ['Dependencies', '/dependencies'],
  ]),
];

/** Every page of docs/ in the order of the site; what nobody has put into the list stands at its end. */
export const pages = [...listed, ...unlisted()];

function unlisted(): typeof listed {
  const docs = fileURLToPath(new URL('../docs/', import.meta.url));
  const known = new Set(listed.flatMap(({ items }) => items.map(({ link }) => (link === '/' ? '/index' : link))));
  const others = globSync('**/*.md', { cwd: docs })
    .map((file) => `/${file.replace(/\.md$/, '')}`)
    .filter((link) => !known.has(link))
    .toSorted();
  const title = (link: string) => /^# (.+)$/m.exec(readFileSync(`${docs}${link}.md`, 'utf8'))?.[1] ?? link;
  return others.length === 0 ? [] : [group('More', others.map((link) => [title(link), link]))];
}

function group(text: string, entries: readonly (readonly [string, string])[]) {
  return { text, items: entries.map(([name, link]) => ({ text: name, link })) };
}
