import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import maskCards from '../../configs/plugins/mask-cards.ts';
import { transformColumns } from '../../plugins/transform-columns/plugin.ts';
import { transformFilter } from '../../plugins/transform-filter/plugin.ts';
import { transformMask } from '../../plugins/transform-mask/plugin.ts';
import { transformRename } from '../../plugins/transform-rename/plugin.ts';
import { transformScript } from '../../plugins/transform-script/plugin.ts';
import { transformSet } from '../../plugins/transform-set/plugin.ts';
import { transformConformance } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'pgsluice-transforms-'));
after(() => rmSync(directory, { recursive: true }));

transformConformance(transformFilter, { options: { where: "name <> 'x' AND id > 1" } });
transformConformance(transformRename, { options: { to: 'crm.{table}', columns: { note: 'remark' } } });
transformConformance(transformColumns, { options: { drop: ['note'] } });
transformConformance(transformSet, { options: { columns: { twice: 'id * 2', name: 'upper(name)' } } });
transformConformance(maskCards, { options: { column: 'note', keep: 4 } });
transformConformance(transformMask, {
  options: { columns: { name: { hash: { secret: 'a key for the tests' } }, note: { partial: { suffix: 4 } } } },
});
writeFileSync(
  join(directory, 'script.ts'),
  `type Row = Record<string, unknown>;
export default (rows: Row[]) => rows.map((row) => ({ ...row, size: row['note'] === null ? null : '1' }));\n`,
);
transformConformance(transformScript, {
  options: { module: './script.ts', add: { size: 'integer' } },
  directory,
});
