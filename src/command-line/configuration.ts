/**
 * What a command is to work with: flags over environment (`REEVE_…`) over a file (`reeve.yaml`) over defaults. Judged as a
 * whole, before anything is done: one line per violation, naming where the value came from.
 */
import { dirname, join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { formatVersion } from '../../machines/realm/realm.ts'
import { type ServerPlace, byNearness } from '../../machines/coordinator/choice.ts'
import { withoutLogin } from '../../streams/login-in-text.ts'
import { realmNamePattern, regionPattern } from '../../streams/subjects.ts'
import { fileFacts, readTextFile, systemErrorCode } from '../platform/folders.ts'
import { type Environment } from '../platform/process.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { serverSetting, serversOf } from './servers.ts'

/** What may stand in the file; flags and variables are made of the same names. */
const shape = {
  server: serverSetting,
  realm: z.string().regex(realmNamePattern, 'use 1 to 20 lower-case letters or digits, a letter first'),
  data: z.string().min(1, 'name a folder'),
  region: z.string().regex(regionPattern, 'use 1 to 20 letters, digits, "_" or "-"'),
  'nats-server': z.string().min(1, 'give the path of a program'),
  'monitoring-url': z.string().regex(/^https?:\/\/[^\s/@,]+(,https?:\/\/[^\s/@,]+)*$/, 'give a URL such as http://127.0.0.1:8222; for a cluster that of each server, separated by commas'),
  'accept-weak-durability': z.boolean('say true or false'),
  'newest-format': z.int('give a whole number').min(1).max(formatVersion, `this build knows formats up to ${formatVersion}`),
  user: z.string().min(1),
  password: z.string().min(1),
  token: z.string().min(1),
} as const
export type SettingName = keyof typeof shape
export const settingNames = Object.keys(shape) as readonly SettingName[]

/** Never a flag: a command line can be read by everybody on the machine (I10). */
export const secretSettings: ReadonlySet<SettingName> = new Set(['password', 'token'])

export const settingTexts: Readonly<Record<SettingName, string>> = {
  server: 'URL of the NATS server, or several as REGION=URL,REGION=URL, of which the nearest with room is taken; without it the realm that "reeve up" started in the data folder',
  realm: 'name of the realm: prefix of its subjects, streams and buckets',
  data: 'data folder; default: the nearest .reeve here or in a folder above, else .reeve here',
  region: 'region that a program works in: sites on one network',
  'nats-server': 'path of the nats-server program that "reeve up" is to use',
  'monitoring-url': 'monitoring page of the NATS server, which says whether every write is synced; of a cluster those of all its servers, separated by commas',
  'accept-weak-durability': 'go on with a server that does not sync every write; recorded in the log',
  'newest-format': 'format of the realm that the program goes no further than, for an upgrade in stages; default: all that it knows',
  user: 'login at the NATS server',
  password: 'login at the NATS server',
  token: 'login at the NATS server',
}

export interface Settings {
  /** As it was given: one or several, for a program that this one starts. */
  readonly server: string | undefined
  /** The same, nearest first; empty where none was given. */
  readonly servers: readonly ServerPlace[]
  readonly realm: string
  /** Absolute. */
  readonly data: string
  readonly region: string
  readonly natsServer: string | undefined
  readonly monitoringUrl: string | undefined
  readonly acceptWeakDurability: boolean
  readonly newestFormat: number | undefined
  readonly login: { readonly user?: string; readonly pass?: string; readonly token?: string }
  /** Where each value that was given came from. */
  readonly sources: Readonly<Partial<Record<SettingName, string>>>
}

export const defaults = { realm: 'reeve', region: 'here', folder: '.reeve', file: 'reeve.yaml' } as const

export interface Asked {
  /** Values of flags by the setting's name. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly environment: Environment
  readonly workingFolder: string
}

export function variableOf(setting: SettingName): string {
  return `REEVE_${setting.replaceAll('-', '_').toUpperCase()}`
}

/** The configuration file that was named, by a flag or a variable. */
export function configNamed(flags: Asked['flags'], environment: Environment): string | undefined {
  return (flags['config'] as string | undefined) ?? environment['REEVE_CONFIG']
}

/** Throws `CommandEnd` with every violation. */
export async function settingsOf(asked: Asked): Promise<Settings> {
  const { flags, environment, workingFolder } = asked
  const violations: string[] = []
  const values: Partial<Record<SettingName, unknown>> = {}
  const sources: Partial<Record<SettingName, string>> = {}
  const take = (name: SettingName, value: unknown, source: string) => {
    values[name] = value
    sources[name] = source
  }
  const named = configNamed(flags, environment)
  const file = await fileValues(resolve(workingFolder, named ?? defaults.file), named !== undefined, violations)
  for (const [key, value] of Object.entries(file.values)) {
    if (key in shape) take(key as SettingName, value, file.path)
    else violations.push(`${file.path}: there is no setting "${key}"; there are ${settingNames.join(', ')}`)
  }
  for (const name of settingNames) {
    const text = environment[variableOf(name)]
    if (text !== undefined && text !== '') take(name, typedText(name, text), `environment ${variableOf(name)}`)
    const flag = flags[camel(name)]
    if (flag !== undefined) take(name, typeof flag === 'string' ? typedText(name, flag) : flag, `--${name}`)
  }
  for (const name of settingNames) {
    if (values[name] === undefined) continue
    const judged = shape[name].safeParse(values[name])
    if (judged.success) continue
    const shown = secretSettings.has(name) ? '' : ` ${withoutLogin(JSON.stringify(values[name]))}`
    violations.push(`${sources[name]}:${shown} is no ${name}; ${judged.error.issues[0]!.message}`)
  }
  if (values['password'] !== undefined && values['user'] === undefined) violations.push(`${sources['password']}: a password needs a user`)
  if (values['token'] !== undefined && values['user'] !== undefined) violations.push(`${sources['token']}: give a token or a user, not both`)
  if (violations.length > 0) throw new CommandEnd(exitCodes.usage, violations[0]!, violations.slice(1))

  const given = values as { [Name in SettingName]?: z.infer<(typeof shape)[Name]> }
  const region = given.region ?? defaults.region
  const from = file.path !== undefined && sources.data === file.path ? dirname(file.path) : workingFolder
  return {
    server: given.server === undefined ? undefined : [given.server].flat().join(','),
    servers: given.server === undefined ? [] : byNearness(region, serversOf(given.server)),
    realm: given.realm ?? defaults.realm,
    data: given.data === undefined ? await nearestDataFolder(workingFolder) : resolve(from, given.data),
    region,
    natsServer: given['nats-server'] === undefined ? undefined : resolve(workingFolder, given['nats-server']),
    monitoringUrl: given['monitoring-url'],
    acceptWeakDurability: given['accept-weak-durability'] ?? false,
    newestFormat: given['newest-format'],
    login: {
      ...(given.user === undefined ? {} : { user: given.user }),
      ...(given.password === undefined ? {} : { pass: given.password }),
      ...(given.token === undefined ? {} : { token: given.token }),
    },
    sources,
  }
}

interface FileValues {
  readonly path: string
  readonly values: Readonly<Record<string, unknown>>
}

async function fileValues(path: string, mustBe: boolean, violations: string[]): Promise<FileValues> {
  let text: string | undefined
  try {
    text = await readTextFile(path)
  } catch (error) {
    violations.push(`the configuration file ${path} cannot be read (${systemErrorCode(error) ?? String(error)})`)
    return { path, values: {} }
  }
  if (text === undefined) {
    if (mustBe) violations.push(`there is no configuration file ${path}`)
    return { path, values: {} }
  }
  const document = parseDocument(text)
  const [fault] = document.errors
  if (fault !== undefined) {
    violations.push(`${path}, line ${fault.linePos?.[0].line ?? 1}: ${fault.message.split('\n')[0]!.replace(/ at line .*$/, '')}`)
    return { path, values: {} }
  }
  const value: unknown = document.toJS()
  if (value === null) return { path, values: {} }
  if (typeof value !== 'object' || Array.isArray(value)) {
    violations.push(`${path}: lines such as "server: nats://127.0.0.1:4222" were expected`)
    return { path, values: {} }
  }
  return { path, values: value as Record<string, unknown> }
}

function typedText(name: SettingName, text: string): unknown {
  if (name === 'newest-format') return /^\d{1,9}$/.test(text) ? Number(text) : text
  if (name !== 'accept-weak-durability') return text
  return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** As a repository is found: here or in any folder above. */
async function nearestDataFolder(workingFolder: string): Promise<string> {
  for (let folder = workingFolder; ; folder = dirname(folder)) {
    const candidate = join(folder, defaults.folder)
    const facts = await fileFacts(candidate).catch(() => undefined)
    if (facts !== undefined && !facts.isFile) return candidate
    if (dirname(folder) === folder) return join(workingFolder, defaults.folder)
  }
}
