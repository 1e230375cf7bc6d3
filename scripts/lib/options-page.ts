import type { AnyPlugin } from '../../core/api/plugin.ts';
import { describeOptions, type OptionDescription } from '../../core/config/describe-options.ts';
import { rootSchema } from '../../core/config/root-schema.ts';
import { useSchema } from '../../core/config/use-schema.ts';
import { Registry } from '../../core/registry/registry.ts';
import { builtins } from '../../plugins/builtins.ts';

/** docs/reference/options.md: every key of a pipeline file, from the declarations that the parser reads. */
export async function optionsPage(): Promise<string> {
  const plugins = await new Registry(builtins).all();
  const parts = [
    '# Options',
    '',
    'Generated from the declarations of the options (`node scripts/write-options.ts`). A key without a default may be left out unless it is required.',
    '',
    section('The pipeline file', 'Keys at the top of the file.', describeOptions(rootSchema)),
    ...plugins.map((plugin: AnyPlugin) =>
      section(`${plugin.kind} ${plugin.name}`, plugin.summary, describeOptions(useSchema(plugin).options)),
    ),
  ];
  return `${parts.join('\n').trimEnd()}\n`;
}

function section(title: string, summary: string, options: readonly OptionDescription[]): string {
  const rows = options.map((option) => `| ${[`\`${option.path}\``, kindOf(option), aboutOf(option)].join(' | ')} |`);
  return [`## ${title}`, summary, '', '| key | type | |', '|---|---|---|', ...rows, ''].join('\n');
}

function kindOf({ type, required, fallback }: OptionDescription): string {
  return cell([type, required ? 'required' : null, fallback].filter((part) => part !== null).join(', '));
}

function aboutOf({ description, change, secret }: OptionDescription): string {
  const more = [
    secret ? 'Secret: never printed or kept.' : null,
    change?.effect === 'refused' ? `A running pipeline refuses a change. ${change.remedy}` : null,
    change?.effect === 'tables' ? 'A running pipeline copies the tables that are added.' : null,
  ].filter((part) => part !== null);
  return cell([description, ...more].filter((part) => part !== '').join(' '));
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
