import { type Command } from 'commander';
import { type CommandShape, commandShapes, type Completion, type OptionShape, shapeOf } from './command-shape';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Shapes {
  readonly program: CommandShape;
  readonly commands: readonly CommandShape[];
}

const LATEST = 'latest';

/** A script that completes commands, options and values in this shell; it asks neither server nor network. */
export function completionScript(program: Command, shell: Shell): string {
  const shapes = { program: shapeOf(program), commands: commandShapes(program) };
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](shapes);
}

function bashScript({ program, commands }: Shapes): string {
  const names = commands.map(({ name }) => name);
  const cases = commands.flatMap((command) => {
    const options = command.options.flatMap((option) => option.names).join(' ');
    const words = wordsOf(command).join(' ');
    return [
      `    ${command.name})`,
      `      options='${options}' words='${words}' files='${takesPaths(command) ? 'yes' : 'no'}'`,
      '      case "$previous" in',
      ...command.options
        .filter(takesValue)
        .map((option) => `        ${option.names.join('|')}) ${bashValue(option)} ;;`),
      '      esac ;;',
    ];
  });
  return `# bash completion for holdfast; load it with: source <(holdfast completion bash)
_holdfast() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command='' word
  local options='${program.options.flatMap((option) => option.names).join(' ')}' words='${names.join(' ')}' files='no'
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      ${names.join('|')}) command="$word"; break ;;
    esac
  done
  case "$command" in
${cases.join('\n')}
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ "$files" == yes ]]; then
    compopt -o default -o filenames 2>/dev/null
  fi
}
complete -F _holdfast holdfast
`;
}

function bashValue({ value }: OptionShape): string {
  if (value === 'path') return 'compopt -o default -o filenames 2>/dev/null; return';
  const words = value === 'snapshot' ? [LATEST] : isWords(value) ? value : [];
  return words.length === 0 ? 'return' : `COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$current")); return`;
}

function zshScript({ program, commands }: Shapes): string {
  const described = commands.map(({ name, description }) => `    ${quote(`${name}:${zshEscape(description)}`)}`);
  const cases = commands.flatMap((command) => [
    `        ${command.name})`,
    `          _arguments ${[...command.options.map(zshOption), ...zshArguments(command)].join(' \\\n            ')} ;;`,
  ]);
  return `#compdef holdfast
# zsh completion for holdfast; save it as _holdfast in a folder of $fpath, or load it with: source <(holdfast completion zsh)
_holdfast() {
  local -a commands
  local state line
  commands=(
${described.join('\n')}
  )
  _arguments -C ${program.options.map(zshOption).join(' ')} '1:command:->command' '*::argument:->argument'
  case "$state" in
    command) _describe -t commands 'command' commands ;;
    argument)
      case "$words[1]" in
${cases.join('\n')}
      esac ;;
  esac
}
if [[ "$funcstack[1]" == _holdfast ]]; then
  _holdfast "$@"
else
  compdef _holdfast holdfast
fi
`;
}

function zshOption({ flags, names, description, value }: OptionShape): string {
  const text = `[${zshEscape(description)}]${value === null ? '' : `:value:${zshAction(value)}`}`;
  // An option that is said to be repeatable may be given again; others exclude themselves, and all of their names.
  if (/may be repeated/.test(description)) return names.map((name) => quote(`*${name}${text}`)).join(' ');
  return names.map((name) => quote(`(${flags.startsWith('-h') ? '- *' : names.join(' ')})${name}${text}`)).join(' ');
}

function zshArguments(command: CommandShape): string[] {
  return command.arguments.map(({ name, isVariadic, completion }, at) =>
    quote(`${isVariadic ? '*' : String(at + 1)}:${zshEscape(name)}:${zshAction(completion)}`),
  );
}

function zshAction(completion: Completion): string {
  if (completion === 'path') return '_files';
  const words = completion === 'snapshot' ? [LATEST] : isWords(completion) ? completion : [];
  return words.length === 0 ? ' ' : `(${words.join(' ')})`;
}

function zshEscape(text: string): string {
  return text.replace(/[\\[\]:]/g, '\\$&');
}

function fishScript({ program, commands }: Shapes): string {
  const names = commands.map(({ name }) => name).join(' ');
  const lines = commands.flatMap((command) => {
    const seen = `-n ${quote(`__fish_seen_subcommand_from ${command.name}`)}`;
    const words = wordsOf(command);
    return [
      `complete -c holdfast -n ${quote(`not __fish_seen_subcommand_from ${names}`)} -a ${command.name} -d ${fishQuote(command.description)}`,
      ...command.options.map((option) => fishOption(option, seen)),
      ...(words.length > 0 ? [`complete -c holdfast ${seen} -a ${quote(words.join(' '))}`] : []),
      ...(takesPaths(command) ? [`complete -c holdfast ${seen} -F`] : []),
    ];
  });
  const own = program.options.map((option) =>
    fishOption(option, `-n ${quote(`not __fish_seen_subcommand_from ${names}`)}`),
  );
  return [
    '# fish completion for holdfast; load it with: holdfast completion fish | source',
    'complete -c holdfast -f',
    ...own,
    ...lines,
    '',
  ].join('\n');
}

function fishOption({ names, description, value }: OptionShape, condition: string): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(' ');
  const text = `complete -c holdfast ${condition} ${flags} -d ${fishQuote(description)}`;
  if (value === null) return text;
  if (value === 'path') return `${text} -r -F`;
  const words = value === 'snapshot' ? [LATEST] : isWords(value) ? value : [];
  return words.length === 0 ? `${text} -x` : `${text} -x -a ${quote(words.join(' '))}`;
}

function takesValue({ value }: OptionShape): boolean {
  return value !== null;
}

function takesPaths(command: CommandShape): boolean {
  return command.arguments.some(({ completion }) => completion === 'path');
}

/** Words that any of its arguments may be. */
function wordsOf(command: CommandShape): string[] {
  const words = command.arguments.flatMap(({ completion }) =>
    completion === 'snapshot' ? [LATEST] : isWords(completion) ? completion : [],
  );
  return [...new Set(words)];
}

function isWords(completion: Completion | null): completion is readonly string[] {
  return Array.isArray(completion);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** In fish's single quotes a backslash escapes itself and the quote. */
function fishQuote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
