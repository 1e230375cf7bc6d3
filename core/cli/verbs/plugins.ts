import type { Command } from 'commander';
import type { AnyPlugin } from '../../api/plugin.ts';
import { describeOptions } from '../../config/describe-options.ts';
import { useSchema } from '../../config/use-schema.ts';
import type { Cli } from '../cli.ts';

/** `pgsluice plugins [--json]`: the built-in plugins with their options. */
export function register(program: Command, cli: Cli): void {
  program
    .command('plugins')
    .description('list the plugins with their options')
    .argument('[name]', 'only plugins of this name')
    .option('--json', 'with the options as JSON Schema')
    .action(async (name: string | undefined, options: { json?: boolean }) => {
      const all = await cli.registry.all();
      const plugins = name === undefined ? all : all.filter((plugin) => plugin.name === name);
      cli.stdout.write(options.json === true ? asJson(plugins) : asText(plugins));
    });
}

function asJson(plugins: readonly AnyPlugin[]): string {
  const list = plugins.map((plugin) => ({
    kind: plugin.kind,
    name: plugin.name,
    apiVersion: plugin.apiVersion,
    summary: plugin.summary,
    options: useSchema(plugin).options,
  }));
  return `${JSON.stringify(list, null, 2)}\n`;
}

function asText(plugins: readonly AnyPlugin[]): string {
  const lines: string[] = [];
  for (const plugin of plugins) {
    lines.push(`${plugin.kind} ${plugin.name} – ${plugin.summary}`);
    const options = describeOptions(useSchema(plugin).options);
    const width = Math.min(28, Math.max(0, ...options.map((option) => option.path.length)));
    for (const option of options) {
      const about = [option.type, option.required ? 'required' : null, option.fallback].filter((part) => part !== null);
      lines.push(`  ${option.path.padEnd(width)}  ${option.description} (${about.join(', ')})`.replace('   (', '  ('));
    }
    lines.push('');
  }
  return lines.join('\n');
}
