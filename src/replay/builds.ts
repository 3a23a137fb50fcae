/** Builds of this package that a log can be run through, each by its own program in a process of its own; none is ever imported. */
import { join } from 'node:path'
import { canonicalJson } from '../../streams/codec.ts'
import { fileFacts, readTextFile, systemErrorCode } from '../platform/folders.ts'
import { type LineProcess, startLineProcess } from '../platform/line-process.ts'
import { ownVersion } from '../platform/own-package.ts'
import { type Environment, ownProgramFile } from '../platform/process.ts'
import { type DigestLine, type DigestsHead, type DigestsRequest, digestsFormat } from './digests.ts'

export interface Build {
  /** For a person. */
  readonly name: string
  readonly version: string
  /** File that starts it, run by this Node. */
  readonly program: string
}

/** There is no build of this package in the folder. */
export class NoBuild extends Error {
  override readonly name = 'NoBuild'
  readonly retryable = false
}

/** A build did not say what it was asked. `code`: that its process ended with; null where it was ended or says something else. */
export class BuildSilent extends Error {
  override readonly name = 'BuildSilent'
  readonly retryable = false
  readonly build: Build
  readonly code: number | null
  /** The first line of what it said on standard error. */
  readonly said: string
  constructor(build: Build, code: number | null, said: string, message: string) {
    super(message)
    this.build = build
    this.code = code
    this.said = said
  }
}

export function ownBuild(): Build {
  return { name: 'this build', version: ownVersion(), program: ownProgramFile() }
}

/** Of a clone, or of a package that was installed or unpacked. Throws `NoBuild`. */
export async function buildIn(folder: string): Promise<Build> {
  const none = (why: string) => new NoBuild(`${folder} holds no build of reeve (${why}): name the folder of a clone, or of the package as it was installed (…/node_modules/reeve)`)
  let text: string | undefined
  try {
    text = await readTextFile(join(folder, 'package.json'))
  } catch (error) {
    throw none(`its package.json cannot be read, ${systemErrorCode(error) ?? String(error)}`)
  }
  if (text === undefined) throw none('there is no package.json in it')
  let described: { readonly name?: unknown; readonly version?: unknown; readonly bin?: { readonly reeve?: unknown } } | null
  try {
    described = JSON.parse(text) as typeof described
  } catch {
    throw none('its package.json is no JSON')
  }
  const bin = described?.bin?.reeve
  if (described?.name !== 'reeve' || typeof described.version !== 'string' || typeof bin !== 'string') throw none(`its package.json is that of ${JSON.stringify(described?.name ?? null)}`)
  const program = join(folder, bin)
  if ((await fileFacts(program))?.isFile !== true) throw none(`${bin} is missing in it`)
  return { name: `the build in ${folder}`, version: described.version, program }
}

/** How a build is given the same log: `source` are its arguments (a file, or the server and the realm). */
export interface DigestsPlace {
  readonly source: readonly string[]
  readonly environment: Environment
  readonly workingFolder: string
}

export interface DigestsRead {
  readonly head: DigestsHead
  next(): Promise<Exclude<DigestLine, DigestsHead>>
  end(): void
}

/** Resolves with its first line. Throws `BuildSilent`, `CannotStart`; `next` too. */
export async function readDigests(build: Build, place: DigestsPlace, request: DigestsRequest): Promise<DigestsRead> {
  const child = startLineProcess(build.program, ['replay', '--digests', canonicalJson(request), ...place.source], place)
  const lines = child.lines[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next()
    if (done === true) throw await silent(build, child)
    try {
      return JSON.parse(value) as unknown
    } catch {
      child.end()
      throw new BuildSilent(build, null, value, `${build.name} says ${JSON.stringify(value.slice(0, 200))} in the place of a digest`)
    }
  }
  const head = (await next()) as DigestsHead
  if (head.format !== digestsFormat || head.version !== request.version) {
    child.end()
    throw new BuildSilent(build, null, '', `${build.name} has no digests of version ${request.version}, but ${head.format} of ${head.version}: compare with the newer of the two builds`)
  }
  return { head, next: next as DigestsRead['next'], end: child.end }
}

async function silent(build: Build, child: LineProcess): Promise<BuildSilent> {
  const { code, signal } = await child.exited
  const lines = child.errors().split('\n').map((line) => line.trim())
  const said = lines.find((line) => line.startsWith('reeve: ')) ?? lines.find((line) => /^(\w*Error\b|reeve )/.test(line)) ?? lines.find((line) => line !== '') ?? ''
  return new BuildSilent(build, code, said.replace(/^reeve: /, ''), `${build.name} ended with ${signal ?? `code ${code}`} before it had said all${said === '' ? '' : `: ${said}`}`)
}
