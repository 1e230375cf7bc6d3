import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { PgsluiceError } from '../../../../core/base/error.ts';
import { castTo, call } from '../../../../core/expr/cast.ts';
import { loadParser, parseExpression, parsePredicate } from '../../../../core/expr/parse.ts';
import { testColumn } from '../../../support/expr-server.ts';

const columns = [
  testColumn('id', 23),
  testColumn('big', 20),
  testColumn('amount', 1700),
  testColumn('email', 25),
  testColumn('born', 1082),
  testColumn('made', 1114),
  testColumn('seen', 1184),
  testColumn('doc', 3802),
  testColumn('tags', 1009),
  testColumn('flag', 16),
  testColumn('ip', 869, { typeName: 'inet' }),
  testColumn('span', 1186, { typeName: 'interval' }),
  testColumn('place', 600, { typeName: 'point' }),
  testColumn('mood', 70_001, { typeName: 'public.mood', typeKind: 'enum' }),
  testColumn('Weird Name', 25),
];

before(loadParser);

/** Expression, code, position, and words that the message must have. */
const refusals: readonly (readonly [string, string, string, RegExp])[] = [
  ['', 'PGS4101', '1:1', /empty/],
  ['id +', 'PGS4101', '1:5', /syntax error at end/],
  ['id = 1)', 'PGS4101', '1:7', /syntax error/],
  ["email = 'é' +* )", 'PGS4101', '1:16', /syntax error/],
  ['id, big', 'PGS4101', '1:5', /one expression/],
  ['id AS x', 'PGS4101', '1:1', /one expression/],
  ['id FROM t', 'PGS4101', '1:9', /one expression/],
  ['id; SELECT 1', 'PGS4101', '1:1', /one expression/],
  ['id UNION SELECT 1', 'PGS4101', '1:1', /one expression/],
  ['emial = 1', 'PGS4102', '1:1', /did you mean email\?/],
  ["email = 'é'\n  AND emial IS NULL", 'PGS4102', '2:7', /did you mean email\?/],
  ["email = '日本' AND nope", 'PGS4102', '1:18', /no column "nope"/],
  ['"Weird name" = 1', 'PGS4102', '1:1', /did you mean Weird Name\?/],
  ['lenght(email)', 'PGS4103', '1:1', /did you mean length\?/],
  ['my.func(id)', 'PGS4103', '1:1', /pg_catalog/],
  ['id <-> 1', 'PGS4103', '1:4', /operator <->/],
  ['id OPERATOR(public.+) 1', 'PGS4103', '1:4', /public/],
  ['id::money', 'PGS4103', '1:5', /type money/],
  ['id::public.mood', 'PGS4103', '1:5', /needs no cast/],
  ['id::"char"', 'PGS4103', '1:5', /char/],
  ['amount::numeric(2,3)', 'PGS4104', '1:9', /modifiers/],
  ['amount::numeric(0)', 'PGS4104', '1:9', /modifiers/],
  ['id || big', 'PGS4104', '1:4', /no integer \|\| bigint/],
  ['lower(id)', 'PGS4104', '1:1', /it takes \(text\)/],
  ['flag + 1', 'PGS4104', '1:6', /no boolean \+ integer/],
  ['id AND flag', 'PGS4104', '1:1', /AND needs a boolean/],
  ['CASE WHEN id THEN 1 END', 'PGS4104', '1:11', /WHEN needs a boolean/],
  ['coalesce(id, email)', 'PGS4104', '1:1', /cannot be matched/],
  ["mood < 'ok'", 'PGS4104', '1:6', /list them with IN/],
  ["ip = '10.0.0.1'", 'PGS4104', '1:4', /cast the column to text/],
  ['ip::text', 'PGS4104', '1:3', /no cast from inet/],
  ['place = place', 'PGS4104', '1:7', /point has no =/],
  ["span = interval 'P1D'", 'PGS4109', '1:17', /no value of type interval.*1 day 02:00/],
  ["span > interval '1.5 days'", 'PGS4109', '1:17', /no value of type interval/],
  ["span > interval '1 day ago'", 'PGS4109', '1:17', /no value of type interval/],
  ["span > interval '1' day", 'PGS4104', '1:8', /modifiers of type interval/],
  ['extract(week from span) > 1', 'PGS4107', '1:1', /epoch, year, month/],
  ["to_char(id, 'L999')", 'PGS4107', '1:1', /"L999"/],
  ["to_char(id, '999.')", 'PGS4107', '1:1', /a point without digits/],
  ["to_char(amount, '99MI9')", 'PGS4107', '1:1', /MI that is neither first nor last/],
  ['to_char(amount, email)', 'PGS4107', '1:1', /must be a constant/],
  ["to_char(2::smallint, '9')", 'PGS4104', '1:1', /there is no to_char\(smallint/],
  ['place = place', 'PGS4104', '1:7', /point has no =/],
  ['greatest(doc, doc)', 'PGS4104', '1:1', /no order/],
  ['doc < doc', 'PGS4104', '1:5', /no jsonb < jsonb/],
  ['ARRAY[]', 'PGS4104', '1:1', /needs a type/],
  ['email[1]', 'PGS4104', '1:1', /no subscripts/],
  ['id = ANY (email)', 'PGS4104', '1:4', /needs an array/],
  ['now()', 'PGS4105', '1:1', /constant/],
  ['seen > now()', 'PGS4105', '1:8', /constant/],
  ['random() < 0.1', 'PGS4105', '1:1', /md5/],
  ['CURRENT_DATE', 'PGS4105', '1:1', /current_date/],
  ['current_timestamp(3)', 'PGS4105', '1:1', /current_timestamp/],
  ['gen_random_uuid()', 'PGS4105', '1:1', /differs from call to call/],
  ["nextval('s')", 'PGS4105', '1:1', /identity/],
  ['current_user', 'PGS4106', '1:1', /session/],
  ["current_setting('x')", 'PGS4106', '1:1', /session/],
  ["to_date('x', 'y')", 'PGS4106', '1:1', /locale/],
  ['seen::date', 'PGS4106', '1:5', /AT TIME ZONE 'UTC'/],
  ['seen::text', 'PGS4106', '1:5', /AT TIME ZONE 'UTC'/],
  ['made::timestamptz', 'PGS4106', '1:5', /AT TIME ZONE 'UTC'/],
  ['email::timestamptz', 'PGS4106', '1:6', /AT TIME ZONE 'UTC'/],
  ['seen > made', 'PGS4104', '1:6', /AT TIME ZONE 'UTC'/],
  ['extract(hour from seen)', 'PGS4106', '1:1', /AT TIME ZONE 'UTC'/],
  ["date_trunc('day', seen)", 'PGS4104', '1:1', /AT TIME ZONE 'UTC'/],
  ["seen AT TIME ZONE 'Europe/Berlin'", 'PGS4106', '1:6', /only the time zone 'UTC'/],
  ['concat(seen)', 'PGS4106', '1:1', /AT TIME ZONE/],
  ['email COLLATE "de_DE" < \'x\'', 'PGS4106', '1:7', /bytes/],
  ['(SELECT 1)', 'PGS4107', '1:1', /subquery/],
  ['id IN (SELECT 1)', 'PGS4107', '1:4', /subquery/],
  ['EXISTS (SELECT 1)', 'PGS4107', '1:1', /subquery/],
  ['$1', 'PGS4107', '1:1', /parameters/],
  ['count(*)', 'PGS4107', '1:1', /aggregate/],
  ['sum(id)', 'PGS4107', '1:1', /aggregate/],
  ['lower(email) OVER ()', 'PGS4107', '1:1', /window/],
  ['row_number() OVER ()', 'PGS4107', '1:1', /aggregate|window/],
  ['unnest(tags)', 'PGS4107', '1:1', /set of rows/],
  ['t.id = 1', 'PGS4107', '1:1', /just id/],
  ['*', 'PGS4107', '1:1', /name a column/],
  ['(id, big) = (1, 2)', 'PGS4107', '1:1', /row constructors/],
  ['lower(x => email)', 'PGS4107', '1:7', /named arguments/],
  ['concat(VARIADIC tags)', 'PGS4107', '1:1', /VARIADIC/],
  ['tags[1:2]', 'PGS4107', '1:1', /slices/],
  ["B'101'", 'PGS4107', '1:1', /bit strings/],
  ['extract(timezone from made)', 'PGS4107', '1:1', /there are year/],
  ["date_trunc('fortnight', made)", 'PGS4107', '1:1', /date_trunc takes/],
  ["to_char(made, 'TMMonth')", 'PGS4107', '1:1', /double quotes/],
  ['to_char(made, email)', 'PGS4107', '1:1', /constant/],
  ["convert_to(email, 'LATIN1')", 'PGS4107', '1:1', /UTF8/],
  ["email SIMILAR TO 'x'", 'PGS4108', '1:7', /LIKE/],
  ['email ~ email', 'PGS4108', '1:7', /constant/],
  ["email ~ '\\bx'", 'PGS4108', '1:7', /backspace/],
  ["email ~ '\\yx'", 'PGS4108', '1:7', /\\y/],
  ["email ~ '(?i)x'", 'PGS4108', '1:7', /embedded options/],
  ["email ~ '(?=x)'", 'PGS4108', '1:7', /lookaround/],
  ["email ~ '(a)\\1'", 'PGS4108', '1:7', /\\1/],
  ["email ~ 'a**'", 'PGS4108', '1:7', /quantifier/],
  ["email ~ '^*'", 'PGS4108', '1:7', /quantifier/],
  ["email ~ '***=x'", 'PGS4108', '1:7', /\*\*\*/],
  ["email ~ 'a{300}'", 'PGS4108', '1:7', /255/],
  ["email ~ 'a{,2}'", 'PGS4108', '1:7', /\\\{/],
  ["email ~ '(a'", 'PGS4108', '1:7', /not closed/],
  ["email ~ 'a)'", 'PGS4108', '1:7', /unmatched/],
  ["email ~ '[a'", 'PGS4108', '1:7', /not closed/],
  ["email ~ '[z-a]'", 'PGS4108', '1:7', /out of order/],
  ["email ~ '[[:nope:]]'", 'PGS4108', '1:7', /class/],
  ["email ~ '[[.x.]]'", 'PGS4108', '1:7', /\[\./],
  ["regexp_replace(email, 'a*b*', 'x')", 'PGS4108', '1:1', /different lengths/],
  ["regexp_replace(email, 'a|ab', 'x')", 'PGS4108', '1:1', /different lengths/],
  ["regexp_replace(email, 'a', 'x', 'n')", 'PGS4108', '1:1', /flags/],
  ["id = 'abc'", 'PGS4109', '1:4', /no value of type integer/],
  ["born > 'yesterday'", 'PGS4109', '1:6', /ISO 8601/],
  ["born > '2024-02-30'", 'PGS4109', '1:6', /no value of type date/],
  ["date '01/02/2024' < born", 'PGS4109', '1:6', /ISO 8601/],
  ["doc @> '{'", 'PGS4109', '1:5', /no value of type jsonb/],
  ["email LIKE 'x\\'", 'PGS4109', '1:7', /escape/],
  ['1 / 0 + id', 'PGS4110', '1:1', /always fails.*22012/],
  ['CASE WHEN flag THEN 1 / 0 END', 'PGS4110', '1:1', /22012/],
];

for (const [sql, code, position, words] of refusals) {
  test(`refused: ${JSON.stringify(sql)}`, () => {
    assert.throws(
      () => parseExpression(sql, columns),
      (error) => {
        assert.ok(error instanceof PgsluiceError, String(error));
        assert.equal(error.code, code, error.message);
        assert.equal(error.message.split(': ')[0], position, error.message);
        assert.match(error.message, words);
        assert.equal(error.exit, 2);
        return true;
      },
    );
  });
}

test('a branch that cannot be reached may fail, as on the server', () => {
  for (const sql of ['CASE WHEN false THEN 1 / 0 ELSE id END', 'coalesce(1, 1 / 0)', 'false AND 1 / 0 > 1']) {
    assert.doesNotThrow(() => parseExpression(sql, columns), sql);
  }
});

test('a condition must be boolean', () => {
  assert.throws(() => parsePredicate('id', columns), { code: 'PGS4104' });
  assert.equal(parsePredicate('NULL', columns).type.oid, 16);
});

test('helpers for transforms refuse without a position', () => {
  const email = parseExpression('email', columns);
  assert.throws(() => castTo(email, 'nmueric'), /did you mean numeric\?/);
  assert.throws(() => castTo(parseExpression('seen', columns), 'text'), { code: 'PGS4106' });
  assert.throws(() => call('nope', [email]), { code: 'PGS4103' });
  assert.equal(castTo(email, 'varchar(20)').type.typmod, 24);
  assert.equal(castTo(email, 'timestamp without time zone').type.oid, 1114);
  assert.equal(castTo(email, 'text'), email);
});
