/** What every command of `reeve` shares: its settings, how it ends, how it names who asks. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { isUlid, newUlid } from '../../streams/codec.ts'
import { systemClock } from '../platform/clock.ts'
import { accountName, environment } from '../platform/process.ts'
import { systemRandom } from '../platform/random.ts'
import { workingFolder } from '../platform/terminal.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { reachedBy } from './here.ts'
import { type SettingName, type Settings, configNamed, secretSettings, settingNames, settingTexts, settingsOf } from './configuration.ts'

export type Flags = Readonly<Record<string, unknown>>

/** An action that is given the settings, its own flags and its arguments. */
export type Act = (settings: Settings, flags: Flags, args: readonly string[]) => Promise<void>

/** For commander's `action`: the settings are judged before anything is done. */
export function acting(act: Act): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command
    const flags = command.optsWithGlobals()
    demandNamedPlaces(command, flags)
    const settings = await settingsOf({ flags, environment: environment(), workingFolder: workingFolder() })
    reachedBy({ settings, config: configNamed(flags, environment()), workingFolder: workingFolder(), commands: rootOf(command).commands.map((one) => one.name()) })
    await act(settings, flags, command.processedArgs.flat().filter((value) => value !== undefined) as string[])
  }
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent)
}

/** An empty one, of a variable that is not set, would be taken for the current folder. Throws `CommandEnd`. */
function demandNamedPlaces(command: Command, flags: Flags): void {
  for (let at: Command | null = command; at !== null; at = at.parent) {
    for (const option of at.options) {
      if (!/<(DIR|FILE|PATH\.\.\.)(\.\.\.)?>/.test(option.flags)) continue
      const given = [flags[option.attributeName()]].flat()
      if (given.some((one) => typeof one === 'string' && one.trim() === '')) throw new CommandEnd(exitCodes.usage, `${option.long} is empty: name a ${option.flags.includes('<DIR') ? 'folder' : 'file'}; "." is the current folder`)
    }
  }
}

const valueNames: Partial<Record<SettingName, string>> = {
  server: 'URL', realm: 'NAME', data: 'DIR', region: 'ID', 'nats-server': 'PATH', 'monitoring-url': 'URL', 'newest-format': 'N', user: 'NAME',
}

/** Options that every command takes, before or after its name. */
export function globalOptions(command: Command): Command {
  command.optionsGroup('Options for every command:')
  for (const name of ['server', 'realm', 'data'] as const) command.addOption(settingOption(name))
  command.option('--config <FILE>', 'configuration file; default: reeve.yaml here')
  command.addOption(settingOption('user'))
  return command
}

export function settingOption(name: SettingName): Option {
  if (secretSettings.has(name)) throw new Error(`${name} must not be a flag`)
  const value = valueNames[name]
  return new Option(value === undefined ? `--${name}` : `--${name} <${value}>`, settingTexts[name])
}

export function allSettings(): readonly SettingName[] {
  return settingNames
}

export function json(command: Command): Command {
  return command.option('--json', 'one line of JSON, with keys and values as documented')
}

export function dryRun(command: Command): Command {
  return command.option('--dry-run', 'say what would be done; do nothing')
}

/** P15: who repeats a command gives the id of the first attempt. */
export function commandOption(command: Command): Command {
  return command.addOption(new Option('--command <ID>', 'id of this command, to repeat one whose answer never came').argParser(ulidArgument))
}

export function ulidArgument(text: string): string {
  if (!isUlid(text)) throw new InvalidArgumentError('give an id as it was said, 26 letters and digits.')
  return text
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`give a whole number from ${least} to ${most}.`)
    return value
  }
}

/** A whole number from -100 to 100. */
export function priorityArgument(text: string): number {
  const value = /^-?\d{1,3}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= -100 && value <= 100)) throw new InvalidArgumentError('give a whole number from -100 to 100.')
  return value
}

export function commandIdOf(flags: Flags): string {
  return (flags['command'] as string | undefined) ?? newUlid(systemClock.nowMs(), systemRandom)
}

/** `person:NAME`, of who is logged in on this machine; where the environment does not say (a container, cron), of whose account it is. */
export function actorOf(): string {
  const { USER, LOGNAME, USERNAME } = environment()
  const name = (USER || LOGNAME || USERNAME || accountName() || 'unknown').replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 64)
  return `person:${name}`
}
