import { pipelineSchema } from '../../core/config/pipeline-schema.ts';
import { Registry } from '../../core/registry/registry.ts';
import { builtins } from '../../plugins/builtins.ts';

/** What configs/pipeline.schema.json has to hold. */
export async function pipelineSchemaText(): Promise<string> {
  const schema = pipelineSchema(await new Registry(builtins).all());
  return `${JSON.stringify(schema, null, 2)}\n`;
}
