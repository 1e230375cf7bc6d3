import type { CommandTable, OptionEntry } from './command-table.ts';

export function zshCompletion({ options, verbs }: CommandTable): string {
  const entries = verbs.map(({ name, description }) => `    ${quoted(`${name}:${description}`)}`);
  const cases = verbs.map((verb) => {
    const values = verb.arguments.map(({ choices }) =>
      choices.length === 0 ? `'*:file:_files'` : quoted(`1:value:(${choices.join(' ')})`),
    );
    // A second "rest" argument would be an error of _arguments.
    const specs = [...verb.options.flatMap(spec), ...new Set(values)];
    return `        ${verb.name}) _arguments $common ${specs.join(' ')} ;;`;
  });
  return `#compdef pgsluice
# pgsluice completion zsh
_pgsluice() {
  local -a verbs common
  local curcontext="$curcontext" state line
  verbs=(
    'help:show help for a verb'
${entries.join('\n')}
  )
  common=(${options.flatMap(spec).join(' ')})
  _arguments -C $common '1:verb:->verb' '*::argument:->argument'
  case $state in
    verb) _describe verb verbs ;;
    argument)
      case $words[1] in
        help) _describe verb verbs ;;
${cases.join('\n')}
      esac ;;
  esac
}
if [ "$funcstack[1]" = _pgsluice ]; then _pgsluice "$@"; else compdef _pgsluice pgsluice; fi
`;
}

function spec({ names, takesValue, choices, description }: OptionEntry): string[] {
  const text = description.replace(/[[\]\\:]/g, '\\$&');
  const value = choices.length > 0 ? `:value:(${choices.join(' ')})` : takesValue ? ':value:_files' : '';
  return names.map((name) => quoted(`*${name}[${text}]${value}`));
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
