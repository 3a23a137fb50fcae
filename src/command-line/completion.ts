/** `reeve completion`: scripts for shells, generated from the command tree, so that they know what the commands know. */
import { type Command, Option } from 'commander'
import { writeOut } from '../platform/terminal.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .summary('print a completion script for a shell')
    .description('Prints a completion script for a shell.')
    .addArgument(program.createArgument('<shell>', 'which shell').choices(shells))
    .addHelpText('after', '\nbash: eval "$(reeve completion bash)"   zsh: eval "$(reeve completion zsh)"   fish: reeve completion fish | source\n')
    .action((shell: Shell) => writeOut(completionScript(program, shell)))
}

/** One command of the tree with everything that may follow its name. */
interface Node {
  /** Names from the root down, without the program's own. */
  readonly path: readonly string[]
  readonly words: readonly Word[]
  /** Values of options that take one of a list. */
  readonly values: ReadonlyMap<string, readonly string[]>
  /** Options that take a file or folder. */
  readonly files: readonly string[]
  /** Options that take any other value. */
  readonly others: readonly string[]
}

interface Word {
  readonly word: string
  readonly about: string
}

export function completionScript(program: Command, shell: Shell): string {
  const nodes = nodesOf(program)
  switch (shell) {
    case 'bash':
      return bashScript(program.name(), nodes)
    case 'zsh':
      return zshScript(program.name(), nodes)
    case 'fish':
      return fishScript(program.name(), nodes)
  }
}

function nodesOf(program: Command): readonly Node[] {
  const nodes: Node[] = []
  const visit = (command: Command, path: readonly string[], inherited: readonly Option[]) => {
    const options = [...command.options.filter((option) => !option.hidden), ...inherited]
    const words: Word[] = command.commands.map((child) => ({ word: child.name(), about: child.summary() || child.description() }))
    for (const argument of command.registeredArguments) for (const choice of argument.argChoices ?? []) words.push({ word: choice, about: argument.description })
    for (const option of options) words.push({ word: option.long ?? option.short!, about: option.description })
    const taking = options.filter((option) => option.required || option.optional)
    const named = (which: (option: Option) => boolean) => taking.filter(which).map((option) => option.long!)
    nodes.push({
      path,
      words: [...words, { word: '--help', about: 'display help' }],
      values: new Map(taking.filter((option) => option.argChoices !== undefined).map((option) => [option.long!, option.argChoices!])),
      files: named((option) => option.argChoices === undefined && /<(FILE|DIR|PATH)>/.test(option.flags)),
      others: named((option) => option.argChoices === undefined && !/<(FILE|DIR|PATH)>/.test(option.flags)),
    })
    for (const child of command.commands) visit(child, [...path, child.name()], inherited.length > 0 ? inherited : program.options)
  }
  visit(program, [], [])
  return nodes
}

/** Bash and zsh find the command by the words that are names on the way down, passing over options and their values. */
function bashScript(name: string, nodes: readonly Node[]): string {
  const valueOptions = [...new Set(nodes.flatMap((node) => [...node.values.keys(), ...node.files, ...node.others]))]
  const cases = nodes.map((node) => {
    const values = [...node.values].map(([option, list]) => `${option}) COMPREPLY=($(compgen -W ${quoted(list.join(' '))} -- "$word")); return;;`)
    const files = node.files.length === 0 ? [] : [`${node.files.join('|')}) COMPREPLY=($(compgen -f -- "$word")); return;;`]
    const others = node.others.length === 0 ? [] : [`${node.others.join('|')}) return;;`]
    const before = [...values, ...files, ...others]
    return [
      `    ${quoted(node.path.join(' '))})`,
      ...(before.length === 0 ? [] : [`      case "$previous" in`, ...before.map((line) => `        ${line}`), `      esac`]),
      `      COMPREPLY=($(compgen -W ${quoted(node.words.map((word) => word.word).join(' '))} -- "$word"));;`,
    ].join('\n')
  })
  return `# completion of ${name} for bash
_${name}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" at="" index=1 candidate
  COMPREPLY=()
  while [ $index -lt $COMP_CWORD ]; do
    candidate="\${COMP_WORDS[index]}"
    case "$candidate" in
      ${valueOptions.join('|')}) index=$((index + 1));;
      -*) ;;
      *) case "\${at:+$at }$candidate" in
        ${nodes.filter((node) => node.path.length > 0).map((node) => quoted(node.path.join(' '))).join('|')}) at="\${at:+$at }$candidate";;
      esac;;
    esac
    index=$((index + 1))
  done
  case "$at" in
${cases.join('\n')}
  esac
}
complete -F _${name} ${name}
`
}

function zshScript(name: string, nodes: readonly Node[]): string {
  const valueOptions = [...new Set(nodes.flatMap((node) => [...node.values.keys(), ...node.files, ...node.others]))]
  const cases = nodes.map((node) => {
    const values = [...node.values].map(([option, list]) => `${option}) compadd -- ${list.map(quoted).join(' ')}; return;;`)
    const files = node.files.length === 0 ? [] : [`${node.files.join('|')}) _files; return;;`]
    const others = node.others.length === 0 ? [] : [`${node.others.join('|')}) return;;`]
    const before = [...values, ...files, ...others]
    return [
      `    ${quoted(node.path.join(' '))})`,
      ...(before.length === 0 ? [] : [`      case "$previous" in`, ...before.map((line) => `        ${line}`), `      esac`]),
      `      list=(${node.words.map((word) => quoted(`${word.word.replaceAll(':', '\\:')}:${word.about}`)).join(' ')})`,
      `      _describe ${quoted(`${name} ${node.path.join(' ')}`.trim())} list;;`,
    ].join('\n')
  })
  return `#compdef ${name}
# completion of ${name} for zsh
_${name}() {
  local previous="\${words[CURRENT-1]}" at="" index=2 candidate
  local -a list
  while (( index < CURRENT )); do
    candidate="\${words[index]}"
    case "$candidate" in
      ${valueOptions.join('|')}) (( index++ ));;
      -*) ;;
      *) case "\${at:+$at }$candidate" in
        ${nodes.filter((node) => node.path.length > 0).map((node) => quoted(node.path.join(' '))).join('|')}) at="\${at:+$at }$candidate";;
      esac;;
    esac
    (( index++ ))
  done
  case "$at" in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = "_${name}" ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`
}

function fishScript(name: string, nodes: readonly Node[]): string {
  const lines = [`# completion of ${name} for fish`, `complete -c ${name} -f`]
  const top = nodes.find((node) => node.path.length === 0)!
  for (const node of nodes) {
    const deeper = nodes.filter((other) => other.path.length === node.path.length + 1 && node.path.every((part, index) => other.path[index] === part)).map((other) => other.path.at(-1)!)
    const seen = node.path.map((part) => `__fish_seen_subcommand_from ${part}`)
    const none = deeper.length === 0 ? [] : [`not __fish_seen_subcommand_from ${deeper.join(' ')}`]
    const condition = node === top ? '__fish_use_subcommand' : [...seen, ...none].join('; and ')
    for (const { word, about } of node.words) {
      // Options for every command are said once.
      if (node !== top && top.words.some((one) => one.word === word)) continue
      const when = node === top && word.startsWith('-') ? '' : ` -n ${quoted(condition)}`
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : word.startsWith('-') ? `-s ${word.slice(1)}` : `-a ${quoted(word)}`
      const choices = node.values.get(word)
      const value = choices !== undefined ? ` -x -a ${quoted(choices.join(' '))}` : node.files.includes(word) ? ' -r -F' : node.others.includes(word) ? ' -x' : ''
      lines.push(`complete -c ${name}${when} ${what}${value} -d ${quoted(about)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
