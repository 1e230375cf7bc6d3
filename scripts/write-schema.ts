import { writeFileSync } from 'node:fs';
import { pipelineSchemaText } from './lib/schema-text.ts';

/** `npm run schema`: writes configs/pipeline.schema.json again from the plugins' options. */
writeFileSync(new URL('../configs/pipeline.schema.json', import.meta.url), await pipelineSchemaText());
