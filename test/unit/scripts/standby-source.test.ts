import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env['PGSLUICE_SOURCE'] = 'standby:16';
process.env['PGSLUICE_TEST_SERVERS'] = JSON.stringify({
  14: { major: 14, port: 5014, standby: null },
  17: { major: 16, port: 5017, standby: 6017 },
});
const { fromStandby, majorFor } = await import('../../support/standby-source.ts');
const at = (port: number) => `postgres://u:p@127.0.0.1:${port}/db`;

test('a file of the tests gets the standby as its source, wherever its URL stands, and nothing else in it changes', () => {
  const sink = `sinks: [{ plugin: postgres, url: ${at(5017)} }]\n`;
  const cases = [
    [
      `pipeline: p\nsource:\n  plugin: postgres\n  url: ${at(5017)}\n  slot: x\n`,
      `pipeline: p\nsource:\n  plugin: postgres\n  url: ${at(6017)}\n  primary: ${at(5017)}\n  slot: x\n`,
    ],
    [
      `source: { plugin: postgres, url: "${at(5017)}?sslmode=disable", slot: x }\n`,
      `source: { plugin: postgres, url: "${at(6017)}?sslmode=disable", primary: "${at(5017)}?sslmode=disable", slot: x }\n`,
    ],
  ] as const;
  for (const [given, wanted] of cases) assert.equal(fromStandby(given + sink), wanted + sink);
});

test('what has no standby, names a primary, or is no source, stays', () => {
  for (const text of [
    `source: { plugin: postgres, url: "${at(5014)}" }\nsinks: []\n`,
    `source:\n  url: ${at(5017)}\n  primary: ${at(5014)}\nsinks: []\n`,
    `source: { plugin: kafka }\nsinks: [{ url: "${at(5017)}" }]\n`,
    'no: source\n',
  ])
    assert.equal(fromStandby(text), text);
  assert.deepEqual([14, 16, 17, 18].map(majorFor), [14, 16, 16, 18]);
});
