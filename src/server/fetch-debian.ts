/**
 * Fetches nats-server as Debian packages it, from the mirror that this machine's apt already uses, into a folder of ours.
 * Nothing is installed and no setting, list or cache of the system is changed: apt gets folders of its own. The package
 * comes out of Debian's suite `sid`, and counts only with a signature of Debian's archive keys.
 */
import { join } from 'node:path'
import type { Clock } from '../../streams/ports/clock.ts'
import { fileFacts, makeFolder, namesIn, readTextFile, replaceTextFile } from '../platform/folders.ts'
import { CannotStart, operatingSystem, runCommand, type CommandResult, type Environment } from '../platform/process.ts'
import { NatsServerError } from './errors.ts'
import { oldestVersionText } from './version.ts'

const keyrings = ['/usr/share/keyrings/debian-archive-keyring.gpg', '/usr/share/keyrings/debian-archive-keyring.pgp']
const suite = 'sid'
const packageName = 'nats-server'
/** Mirrors that are asked, at most. */
const triedSites = 3

export interface FetchOptions {
  readonly clock: Clock
  readonly environment: Environment
  /** An empty folder that the caller made and removes. */
  readonly workFolder: string
  /** For everything together. */
  readonly deadlineMs: number
  /** Addresses of archives to take the place of those that this machine's apt uses. */
  readonly sites?: readonly string[]
}

export interface Fetched {
  /** The unpacked program, inside the work folder. */
  readonly program: string
}

/** The one command that installs nats-server on this kind of machine. */
export function installCommand(system: string = operatingSystem()): string {
  if (system === 'darwin') return 'brew install nats-server'
  if (system === 'win32') return 'winget install NATSAuthors.NATSServer'
  return 'go install github.com/nats-io/nats-server/v2@latest'
}

function cannotFetch(why: string, cause?: unknown): NatsServerError {
  const message =
    `cannot fetch nats-server: ${why}; install ${oldestVersionText} or later on the PATH (${installCommand()}), ` +
    'or name a program with --nats-server PATH, or give the URL of a running server'
  return new NatsServerError('cannot-fetch', message, cause === undefined ? undefined : { cause })
}

/** Throws `NatsServerError` (`cannot-fetch`) with the reason and what to do. */
export async function fetchFromDebian(options: FetchOptions): Promise<Fetched> {
  const { clock, workFolder } = options
  const endMs = clock.monotonicMs() + options.deadlineMs
  const run = async (command: string, args: readonly string[], workingFolder = workFolder): Promise<CommandResult> => {
    const deadlineMs = endMs - clock.monotonicMs()
    if (deadlineMs <= 0) throw tooSlow(options.deadlineMs)
    const environment = { ...options.environment, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }
    try {
      const result = await runCommand(command, args, { clock, deadlineMs, environment, workingFolder })
      if (result.timedOut) throw tooSlow(options.deadlineMs)
      return result
    } catch (error) {
      if (error instanceof CannotStart) throw cannotFetch(`this machine has no ${command}`, error)
      throw error
    }
  }

  const keyring = await firstThatExists(keyrings)
  if (keyring === undefined) throw cannotFetch('this machine does not have the keys of the Debian archive')
  const sites = options.sites ?? (await mirrors(run, workFolder))
  if (sites.length === 0) throw cannotFetch('apt knows no mirror on this machine')

  let lastReason = ''
  for (const [index, site] of sites.slice(0, triedSites).entries()) {
    const folder = join(workFolder, `apt-${index}`)
    const configuration = await privateApt(folder, site, keyring)
    const update = await run('apt-get', ['-c', configuration, '-qq', 'update'], folder)
    const download = update.exit.code === 0 ? await run('apt-get', ['-c', configuration, '-qq', 'download', packageName], folder) : update
    const file = (await namesIn(folder)).find((name) => name.startsWith(`${packageName}_`) && name.endsWith('.deb'))
    if (download.exit.code !== 0 || file === undefined) {
      lastReason = `${withoutCredentials(site)} does not give it (${firstComplaint(download.stderr)})`
      continue
    }
    const unpacked = join(folder, 'unpacked')
    const unpack = await run('dpkg', ['-x', join(folder, file), unpacked], folder)
    if (unpack.exit.code !== 0) throw cannotFetch(`dpkg cannot unpack ${file} (${firstComplaint(unpack.stderr)})`)
    for (const path of ['usr/sbin/nats-server', 'usr/bin/nats-server']) {
      const program = join(unpacked, path)
      if ((await fileFacts(program))?.isFile) return { program }
    }
    throw cannotFetch(`${file} holds no program nats-server`)
  }
  throw cannotFetch(lastReason)
}

function tooSlow(deadlineMs: number): NatsServerError {
  return cannotFetch(`the mirror did not answer within ${Math.round(deadlineMs / 1000)} s`)
}

async function firstThatExists(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await fileFacts(path)) return path
  return undefined
}

/**
 * The archives that this machine's apt is set up to use, that of the system's own release first. `--print-uris` tells
 * them also where no package list was ever loaded, and loads none.
 */
async function mirrors(run: (command: string, args: readonly string[]) => Promise<CommandResult>, folder: string): Promise<readonly string[]> {
  const lists = join(folder, 'no-lists')
  await makeFolder(lists)
  const printed = await run('apt-get', ['-o', `Dir::State::lists=${lists}`, '--print-uris', 'update'])
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec((await readTextFile('/etc/os-release')) ?? '')?.[1]
  const own: string[] = []
  const others: string[] = []
  for (const line of printed.stdout.split('\n')) {
    const found = /^'([^']+)\/dists\/([^'/]+)\/InRelease'/.exec(line)
    if (found === null) continue
    const [, site, release] = found as unknown as [string, string, string]
    if (release === codename) own.push(site)
    else if (!/-(security|updates|backports)$/.test(release)) others.push(site)
  }
  return [...new Set([...own, ...others])]
}

/**
 * A configuration for apt that is read after the system's (so that its proxies and its ways to a mirror hold) and gives
 * it folders of its own, this one source, strict signatures, and none of the system's hooks.
 */
async function privateApt(folder: string, site: string, keyring: string): Promise<string> {
  const lists = join(folder, 'lists')
  const cache = join(folder, 'cache')
  await makeFolder(join(lists, 'partial'))
  await makeFolder(join(cache, 'archives', 'partial'))
  const sourceList = join(folder, 'sources.list')
  const status = join(folder, 'status')
  await replaceTextFile(sourceList, `deb [signed-by=${keyring} target=Packages lang=none] ${site} ${suite} main\n`)
  await replaceTextFile(status, '')
  const settings: readonly (readonly [string, string])[] = [
    ['Dir::State', folder],
    ['Dir::State::lists', lists],
    ['Dir::State::status', status],
    ['Dir::Cache', cache],
    ['Dir::Cache::archives', join(cache, 'archives')],
    ['Dir::Cache::pkgcache', ''],
    ['Dir::Cache::srcpkgcache', ''],
    ['Dir::Etc::sourcelist', sourceList],
    ['Dir::Etc::sourceparts', '-'],
    ['Dir::Etc::preferences', '-'],
    ['Dir::Etc::preferencesparts', '-'],
    ['APT::Default-Release', suite],
    // Apt's own unprivileged user cannot look into our folder.
    ['APT::Sandbox::User', ''],
    ['APT::Get::List-Cleanup', 'false'],
    ['APT::Get::AllowUnauthenticated', 'false'],
    ['Acquire::AllowInsecureRepositories', 'false'],
    ['Acquire::AllowWeakRepositories', 'false'],
    ['Acquire::AllowDowngradeToInsecureRepositories', 'false'],
    ['Acquire::Languages', 'none'],
    ['Acquire::Retries', '1'],
    ['Acquire::http::Timeout', '15'],
    ['Acquire::https::Timeout', '15'],
  ]
  const hooks = ['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success', 'DPkg::Post-Invoke']
  const lines = [...hooks.map((name) => `#clear ${name};`), ...settings.map(([name, value]) => `${name} "${value}";`)]
  const file = join(folder, 'apt.conf')
  await replaceTextFile(file, `${lines.join('\n')}\n`)
  return file
}

/** The first error that apt or dpkg wrote, on one line, without passwords. */
function firstComplaint(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim()).filter((line) => line !== '')
  const complaint = lines.find((line) => line.startsWith('E:')) ?? lines.find((line) => line.startsWith('W:')) ?? lines[0] ?? 'no reason given'
  return withoutCredentials(complaint.replace(/^[EW]:\s*/, '').replaceAll(/\s+/g, ' '))
}

/** I10: a mirror's address may hold a name and a password. */
function withoutCredentials(text: string): string {
  return text.replaceAll(/(\w+:\/\/)[^/@\s]+@/g, '$1')
}
