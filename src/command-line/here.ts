/**
 * Commands that a text names, worded for this realm: with the options that it was reached with, so that they reach the same one where they
 * are taken literally. Texts name them in double quotes, also those of the service interface, which cannot know how it was reached.
 *
 * Owns those options, of the one command that runs in this process. What is shown of the log is no text of this kind.
 */
import { resolve } from 'node:path'
import { withoutLogin } from '../../streams/login-in-text.ts'
import type { SettingName, Settings } from './configuration.ts'

let options = ''
let named: RegExp | undefined

export interface Reached {
  readonly settings: Pick<Settings, 'server' | 'realm' | 'data' | 'login' | 'sources'>
  /** The configuration file that was named; one that was found is found again. */
  readonly config: string | undefined
  readonly workingFolder: string
  /** Names of what `reeve` does, so that a service called "reeve 1" is not taken for a command. */
  readonly commands: readonly string[]
}

export function reachedBy({ settings, config, workingFolder, commands }: Reached): void {
  const { server, realm, data, login, sources } = settings
  const isGiven = (name: SettingName) => /^(--|environment )/.test(sources[name] ?? '')
  const given: readonly (readonly [name: string, value: string | undefined])[] = [
    ['config', config === undefined ? undefined : resolve(workingFolder, config)],
    ['server', server !== undefined && isGiven('server') ? server.split(',').map(withoutLogin).join(',') : undefined],
    ['realm', isGiven('realm') ? realm : undefined],
    ['data', isGiven('data') ? data : undefined],
    ['user', isGiven('user') ? login.user : undefined],
  ]
  options = given.flatMap(([name, value]) => (value === undefined ? [] : [` --${name} ${shellWord(value)}`])).join('')
  named = new RegExp(`(?<=")(?:reeve (?:${commands.join('|')})(?= |")[^"]*|npm start)(?=")`, 'g')
}

/** A command that is to be taken literally: `reeve group list`. */
export function commandHere(command: string): string {
  return command + (command === 'npm start' && options !== '' ? ' --' : '') + options
}

/** A text that may name commands, in double quotes. */
export function textHere(text: string): string {
  return named === undefined || options === '' ? text : text.replace(named, (command) => (aboutFile.test(command) ? command : commandHere(command)))
}

/** What wrote a file, in whichever realm that was, and what reads one without any. */
const aboutFile = /^reeve log (export$|verify --from )/

/** As a shell takes it for one word. */
export function shellWord(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`
}
