import type { CommandTable, OptionEntry } from './command-table.ts';

export function fishCompletion({ options, verbs }: CommandTable): string {
  const names = ['help', ...verbs.map(({ name }) => name)].join(' ');
  const none = `not __fish_seen_subcommand_from ${names}`;
  return `# pgsluice completion fish
${options.map((option) => line('', option)).join('\n')}
complete -c pgsluice -f -n '${none}' -a help -d 'show help for a verb'
complete -c pgsluice -f -n '__fish_seen_subcommand_from help' -a '${names}'
${verbs
  .flatMap((verb) => [
    `complete -c pgsluice -f -n '${none}' -a ${verb.name} -d ${quoted(verb.description)}`,
    ...verb.options.map((option) => line(` -n '__fish_seen_subcommand_from ${verb.name}'`, option)),
    ...verb.arguments
      .filter(({ choices }) => choices.length > 0)
      .map(({ choices }) => {
        const words = choices.join(' ');
        return `complete -c pgsluice -f -n '__fish_seen_subcommand_from ${verb.name}' -a '${words}'`;
      }),
  ])
  .join('\n')}
`;
}

function line(condition: string, { names, takesValue, choices, description }: OptionEntry): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const value = choices.length > 0 ? ` -x -a '${choices.join(' ')}'` : takesValue ? ' -r' : '';
  return `complete -c pgsluice${condition} ${flags.join(' ')}${value} -d ${quoted(description)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
