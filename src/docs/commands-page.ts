/** `docs/commands.md`, made from the command tree itself. Pure. */
import type { Argument, Command, Option } from 'commander'
import { secretSettings, settingNames, settingTexts, variableOf } from '../command-line/configuration.ts'
import { exitMeanings } from '../command-line/exit.ts'

export function commandsPage(program: Command): readonly string[] {
  return [
    '# Commands',
    '',
    program.description(),
    '',
    'Options that every command takes stand before or after its name. `--json` prints one line of RFC 8785 JSON; `"ok": true` and the answer of',
    'the endpoint ([api.md](api.md)) are its keys where a command asks one, and lists hold all pages, or as many as `--limit` says: then `more` says whether there are others. Errors go to standard error, one line each.',
    '',
    '| exit code | meaning |',
    '| --- | --- |',
    ...exitMeanings.map(([code, meaning]) => `| ${code} | ${cell(meaning)} |`),
    '',
    '## Configuration',
    '',
    'Flags over environment over a file over defaults. The file is `reeve.yaml` where the command is given, or the one named by `--config FILE` or',
    '`REEVE_CONFIG`: lines such as `server: nats://127.0.0.1:4222`. All of it is judged before anything is done, one line for each violation.',
    '',
    '`reeve up` writes where its realm is into `running.json` in the data folder. A command without a server reads it: so in the folder where `reeve up`',
    'was started, and in those below it, no command needs an option.',
    '',
    '| setting | environment | flag | what |',
    '| --- | --- | --- | --- |',
    ...settingNames.map((name) => `| \`${name}\` | \`${variableOf(name)}\` | ${secretSettings.has(name) ? 'never' : `\`--${name}\``} | ${cell(settingTexts[name])} |`),
    '',
    '## Options for every command',
    '',
    ...optionRows(program.options),
    ...program.commands.flatMap((command) => section(command, program.name(), '##')),
  ]
}

function section(command: Command, above: string, level: string): readonly string[] {
  const name = `${above} ${command.name()}`
  const runs = command.commands.length === 0 || command.options.length > 0
  const usage = `${name}${command.registeredArguments.map(argumentText).join('')}${command.options.length > 0 ? ' [options]' : ''}`
  return [
    '',
    `${level} \`${name}\``,
    '',
    command.description(),
    ...(runs ? ['', `    ${usage}`] : []),
    ...(command.registeredArguments.length === 0 ? [] : ['', ...command.registeredArguments.map((argument) => `- \`${argument.name()}\`: ${argument.description}${choicesText(argument)}`)]),
    ...(command.options.length === 0 ? [] : ['', ...optionRows(command.options)]),
    ...command.commands.flatMap((child) => section(child, name, `${level}#`)),
  ]
}

function optionRows(options: readonly Option[]): readonly string[] {
  return [
    '| option | what |',
    '| --- | --- |',
    ...options.filter((option) => !option.hidden).map((option) => `| \`${cell(option.flags)}\` | ${cell(option.description)}${choicesText(option)}${presetText(option)} |`),
  ]
}

function argumentText(argument: Argument): string {
  return argument.required ? ` <${argument.name()}>` : ` [${argument.name()}]`
}

function choicesText({ argChoices }: { readonly argChoices?: readonly string[] | undefined }): string {
  return argChoices === undefined ? '' : `: ${argChoices.map((choice) => `\`${choice}\``).join(', ')}`
}

function presetText(option: Option): string {
  return option.defaultValue === undefined || typeof option.defaultValue === 'boolean' ? '' : ` (default \`${option.defaultValueDescription ?? String(option.defaultValue)}\`)`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
