import type { CommandTable, OptionEntry } from './command-table.ts';

/** Where the script has nothing to offer, readline offers file names. */
export function bashCompletion({ options, verbs }: CommandTable): string {
  const valued = options.filter(({ takesValue }) => takesValue).flatMap(({ names }) => names);
  const names = verbs.map(({ name }) => name);
  const values = [
    ...choicesOf('*', options),
    ...verbs.flatMap((verb) => choicesOf(verb.name, verb.options)),
    ...verbs.flatMap((verb) =>
      verb.arguments.flatMap(({ choices }) =>
        choices.length === 0 ? [] : [`    '${verb.name} ${verb.name}') words='${choices.join(' ')}' ;;`],
      ),
    ),
  ];
  const flags = verbs.map((verb) => `      ${verb.name}) words="$words ${namesOf(verb.options)}" ;;`);
  return `# pgsluice completion bash
_pgsluice() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} verb='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${valued.join('|')}) ((i++)) ;;
      -*) ;;
      *) verb=\${COMP_WORDS[i]}; break ;;
    esac
  done
  COMPREPLY=()
  case "$verb $prev" in
${values.join('\n')}
  esac
  if [[ -z $words && $cur == -* ]]; then
    words='${namesOf(options)}'
    case $verb in
${flags.join('\n')}
    esac
  elif [[ -z $words && ( -z $verb || $verb == help ) ]]; then
    words='help ${names.join(' ')}'
  fi
  [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))
  return 0
}
complete -o default -F _pgsluice pgsluice
`;
}

function choicesOf(verb: string, options: readonly OptionEntry[]): string[] {
  return options
    .filter(({ choices }) => choices.length > 0)
    .flatMap(({ names, choices }) => {
      const patterns = names.map((name) => (verb === '*' ? `*' ${name}'` : `'${verb} ${name}'`));
      return [`    ${patterns.join('|')}) words='${choices.join(' ')}' ;;`];
    });
}

function namesOf(options: readonly OptionEntry[]): string {
  return options.flatMap(({ names }) => names).join(' ');
}
