/**
 * Finds a nats-server program that is new enough: the one that was named; else the first on the PATH; else one that was
 * fetched before; else one that is fetched now, once.
 *
 * Of the cache: a folder in it is complete from the moment it has its name (it is moved there whole), so that programs
 * that fetch at once do no harm; what is in it is used only if its digest is the one written down when it was fetched.
 */
import { join } from 'node:path'
import type { Clock } from '../../streams/ports/clock.ts'
import {
  executablesOnPath, fileDigest, fileFacts, isExecutableFile, makeFolder, makeTemporaryFolder, moveFolderIntoPlace, namesIn, readTextFile, removeFolder,
  replaceTextFile, systemErrorCode,
} from '../platform/folders.ts'
import { environment, homeFolder, type Environment } from '../platform/process.ts'
import { copyProgram } from '../platform/program-file.ts'
import { NatsServerError } from './errors.ts'
import { fetchFromDebian, installCommand } from './fetch-debian.ts'
import { askVersion, compareVersions, isNewEnough, oldestVersionText, parseVersion, versionText, type NatsServerVersion } from './version.ts'

export interface FindOptions {
  readonly clock: Clock
  /** The program to use, whatever else is there: the value of `--nats-server`. */
  readonly program?: string
  /** Absent: this process's. Read for PATH and XDG_CACHE_HOME, and passed to apt. */
  readonly environment?: Environment
  /** False: what is neither on the PATH nor in the cache is not fetched. Default true. */
  readonly mayFetch?: boolean
  /** For fetching, all of it. Default 90,000. */
  readonly fetchDeadlineMs?: number
  /** Addresses of Debian archives to take the place of those that this machine's apt uses. */
  readonly sites?: readonly string[]
  /** Called before something is fetched, which takes seconds. */
  readonly onFetch?: () => void
}

export interface FoundNatsServer {
  readonly program: string
  readonly version: NatsServerVersion
  readonly origin: 'named' | 'path' | 'cache' | 'fetched'
}

/** Throws `NatsServerError`: `not-found`, `not-executable`, `too-old`, `cannot-fetch`. */
export async function findNatsServer(options: FindOptions): Promise<FoundNatsServer> {
  if (options.program !== undefined) return named(options.program, options.clock)
  const variables = options.environment ?? environment()
  const onPath = await firstOnPath(options.clock, variables)
  if (onPath !== undefined && isNewEnough(onPath.version)) return onPath
  const cache = cacheFolder(variables)
  const cached = await newestCached(cache, options.clock)
  if (cached !== undefined) return cached
  if (options.mayFetch === false) throw absent(onPath)
  options.onFetch?.()
  return fetchIntoCache(cache, variables, options)
}

export function cacheFolder(variables: Environment): string {
  const base = variables['XDG_CACHE_HOME']
  return join(base !== undefined && base.startsWith('/') ? base : join(variables['HOME'] || homeFolder(), '.cache'), 'reeve', 'nats-server')
}

async function named(program: string, clock: Clock): Promise<FoundNatsServer> {
  if ((await fileFacts(program)) === undefined) {
    throw new NatsServerError('not-found', `there is no nats-server at ${program}: give the path of the program itself`)
  }
  if (!(await isExecutableFile(program))) {
    throw new NatsServerError('not-executable', `${program} is not a program that this user may run: check its permissions, or give another path`)
  }
  const version = await askVersion(program, clock)
  if (version === undefined) {
    throw new NatsServerError('not-executable', `${program} does not run as a nats-server here (asked with --version): give another path`)
  }
  if (!isNewEnough(version)) throw new NatsServerError('too-old', tooOldLine(program, version))
  return { program, version, origin: 'named' }
}

function tooOldLine(program: string, version: NatsServerVersion): string {
  return (
    `nats-server ${versionText(version)} at ${program} is too old: needs ${oldestVersionText} or later; ` +
    `leave it out to let reeve find or fetch one, or install a newer one (${installCommand()})`
  )
}

function absent(onPath: FoundNatsServer | undefined): NatsServerError {
  if (onPath !== undefined) return new NatsServerError('too-old', tooOldLine(onPath.program, onPath.version))
  return new NatsServerError('not-found', `there is no nats-server on the PATH: install ${oldestVersionText} or later (${installCommand()})`)
}

/** The first new enough on the PATH, else the first that runs at all. */
async function firstOnPath(clock: Clock, variables: Environment): Promise<FoundNatsServer | undefined> {
  let tooOld: FoundNatsServer | undefined
  for (const program of await executablesOnPath('nats-server', variables['PATH'])) {
    const version = await askVersion(program, clock)
    if (version === undefined) continue
    const found = { program, version, origin: 'path' } as const
    if (isNewEnough(version)) return found
    tooOld ??= found
  }
  return tooOld
}

const recordFile = 'fetched.json'

async function newestCached(cache: string, clock: Clock): Promise<FoundNatsServer | undefined> {
  const versions = (await namesIn(cache).catch(() => []))
    .map((name) => ({ name, version: parseVersion(name) }))
    .filter((entry): entry is { name: string; version: NatsServerVersion } => entry.version !== undefined && !entry.name.startsWith('.'))
    .sort((left, right) => compareVersions(right.version, left.version))
  for (const { name } of versions) {
    const found = await checkedCacheEntry(join(cache, name), clock)
    if (found !== undefined) return found
  }
  return undefined
}

/** Undefined when it is damaged, too old, or made for another kind of machine. */
async function checkedCacheEntry(folder: string, clock: Clock): Promise<FoundNatsServer | undefined> {
  const program = join(folder, 'nats-server')
  const digest = recordedDigest(await readTextFile(join(folder, recordFile)).catch(() => undefined))
  if (digest === undefined || !(await isExecutableFile(program)) || (await fileDigest(program)) !== digest) return undefined
  const version = await askVersion(program, clock)
  return version !== undefined && isNewEnough(version) ? { program, version, origin: 'cache' } : undefined
}

function recordedDigest(text: string | undefined): string | undefined {
  try {
    const record: unknown = JSON.parse(text ?? '')
    return typeof record === 'object' && record !== null && 'sha256' in record && typeof record.sha256 === 'string' ? record.sha256 : undefined
  } catch {
    return undefined
  }
}

/** A draft older than this was left behind by a program that was killed. */
const draftLifeMs = 3_600_000

async function fetchIntoCache(cache: string, variables: Environment, options: FindOptions): Promise<FoundNatsServer> {
  const { clock } = options
  const draft = await makeTemporaryFolder('.draft-', cache).catch((error: unknown) => {
    const code = systemErrorCode(error) ?? String(error)
    throw new NatsServerError('cannot-fetch', `cannot write to the cache folder ${cache} (${code}): set XDG_CACHE_HOME to a folder that can be written`)
  })
  try {
    await removeOldDrafts(cache, clock)
    const work = join(draft, 'work')
    const entry = join(draft, 'entry')
    await makeFolder(work)
    const fetched = await fetchFromDebian({
      clock,
      environment: variables,
      workFolder: work,
      deadlineMs: options.fetchDeadlineMs ?? 90_000,
      ...(options.sites === undefined ? {} : { sites: options.sites }),
    })
    const program = join(entry, 'nats-server')
    await copyProgram(fetched.program, program)
    const version = await askVersion(program, clock)
    if (version === undefined) {
      throw new NatsServerError('cannot-fetch', `the nats-server that was fetched does not run on this machine: install one (${installCommand()})`)
    }
    if (!isNewEnough(version)) throw new NatsServerError('too-old', tooOldLine(program, version))
    await replaceTextFile(join(entry, recordFile), `${JSON.stringify({ version: versionText(version), sha256: await fileDigest(program) })}\n`)
    return await intoPlace(cache, entry, draft, version, clock)
  } finally {
    await removeFolder(draft)
  }
}

async function intoPlace(cache: string, entry: string, draft: string, version: NatsServerVersion, clock: Clock): Promise<FoundNatsServer> {
  const place = join(cache, versionText(version))
  for (let attempt = 0; attempt < 5; attempt += 1) {
    if (await moveFolderIntoPlace(entry, place)) return { program: join(place, 'nats-server'), version, origin: 'fetched' }
    const others = await checkedCacheEntry(place, clock)
    if (others !== undefined) return others
    // A damaged one stands there. A process that still runs it keeps its file.
    await moveFolderIntoPlace(place, join(draft, `damaged-${attempt}`)).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'ENOENT') throw error
    })
  }
  throw new NatsServerError('cannot-fetch', `cannot put the fetched nats-server into ${place}: remove that folder`)
}

async function removeOldDrafts(cache: string, clock: Clock): Promise<void> {
  for (const name of await namesIn(cache)) {
    if (!name.startsWith('.draft-')) continue
    const facts = await fileFacts(join(cache, name))
    if (facts !== undefined && clock.nowMs() - facts.modifiedMs > draftLifeMs) await removeFolder(join(cache, name))
  }
}
