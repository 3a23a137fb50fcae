/**
 * The rules between folders (DESIGN §1) and around the ports: what may import what, and who may touch the outside world.
 */
import { importedPath, type SourceFile } from './source.ts'

export interface Broken {
  readonly path: string
  readonly line: number
  readonly why: string
}

const layers: Readonly<Record<string, readonly string[]>> = {
  machines: ['machines'],
  streams: ['streams', 'machines'],
  src: ['src', 'streams', 'machines'],
}

const natsPackages = /^(nats|@nats-io\/.+)$/

/** Packages of others that a folder may use; the first entry whose folder holds the file counts. `src` may use any but NATS. */
const packages: readonly { readonly folder: string; readonly may: (name: string) => boolean }[] = [
  { folder: 'machines/', may: (name) => ['xstate', 'immer'].includes(name) },
  { folder: 'streams/jetstream/', may: (name) => natsPackages.test(name) || ['zod', 'canonicalize', 'ulid', 'xstate', 'immer'].includes(name) },
  { folder: 'streams/', may: (name) => ['zod', 'canonicalize', 'ulid', 'xstate', 'immer'].includes(name) },
  { folder: 'src/', may: (name) => !natsPackages.test(name) },
]

/** Modules of the runtime that only compute, and what may be taken from them; `*`: everything. */
const pureModules: ReadonlyMap<string, readonly string[]> = new Map([
  ['node:crypto', ['createHash', 'hash', 'createHmac', 'timingSafeEqual', 'Hash']],
  ['node:path', ['*']],
  ['node:url', ['*']],
  ['node:util', ['*']],
  ['node:buffer', ['*']],
  ['node:assert', ['*']],
  ['node:assert/strict', ['*']],
])

/** Globals through which code reaches time, randomness and the outside world. */
const globals: ReadonlySet<string> = new Set([
  'setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate', 'Date', 'performance', 'Math', 'process', 'console',
  'fetch', 'WebSocket', 'EventSource', 'BroadcastChannel', 'Worker', 'crypto', 'AbortSignal', 'globalThis', 'global', 'require', 'navigator', 'localStorage',
])

/** Of those, what only computes. */
const pureUses = /^(Math\.(?!random$)\w+|new Date\(…\)|Date\.(parse|UTC)|AbortSignal\.(abort|any)|AbortSignal)$/

const effectFolders = ['src/platform/', 'streams/jetstream/']

function isEffectFolder(path: string): boolean {
  return effectFolders.some((folder) => path.startsWith(folder))
}

export function importsThatBreak(file: SourceFile): readonly Broken[] {
  const folder = file.path.split('/')[0]!
  const allowed = layers[folder]
  if (allowed === undefined) return []
  const broken: Broken[] = []
  for (const { specifier, names, line } of file.imports()) {
    const say = (why: string) => broken.push({ path: file.path, line, why })
    if (specifier === '(computed)') {
      if (!isEffectFolder(file.path)) say('imports a module whose name is computed: the rule cannot be checked')
    } else if (specifier.startsWith('.')) {
      const target = importedPath(file.path, specifier).split('/')[0]!
      if (!allowed.includes(target)) say(`${folder}/ must not import ${specifier}: it may import ${allowed.map((name) => `${name}/`).join(', ')}`)
    } else if (isRuntimeModule(specifier)) {
      const pure = pureModules.get(specifier)
      const impure = pure === undefined || folder === 'machines' ? names : pure.includes('*') ? [] : names.filter((name) => !pure.includes(name))
      const bare = names.length === 0 && pure === undefined
      if ((impure.length > 0 || bare) && (folder === 'machines' || !isEffectFolder(file.path))) {
        say(`uses ${impure.join(', ') || specifier} of ${specifier}: only ${effectFolders.join(' and ')} may; use a port`)
      }
    } else {
      const name = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
      const rule = packages.find((entry) => file.path.startsWith(entry.folder))
      if (rule !== undefined && !rule.may(name)) say(`${rule.folder} must not use the package ${name}`)
      if (name === 'ulid' && names.includes('ulid') && !isEffectFolder(file.path)) say('ulid() reads the clock and draws at random: use a factory over the ports')
    }
  }
  return broken
}

function isRuntimeModule(specifier: string): boolean {
  return specifier.startsWith('node:') || ['fs', 'http', 'https', 'net', 'child_process', 'worker_threads', 'os', 'crypto', 'timers', 'process', 'dns', 'tls', 'path'].includes(specifier.split('/')[0]!)
}

export function effectsOutsidePorts(file: SourceFile): readonly Broken[] {
  if (layers[file.path.split('/')[0]!] === undefined || isEffectFolder(file.path)) return []
  return file
    .globalUses(globals)
    .filter((use) => !pureUses.test(use.what))
    .map((use) => ({ path: file.path, line: use.line, why: `uses ${use.what}: only ${effectFolders.join(' and ')} may; use a port` }))
}

/** Longest file of code. Longer ones hold more than one concern. */
export const mostLines = 420

export function tooLong(file: SourceFile): readonly Broken[] {
  return file.lines <= mostLines ? [] : [{ path: file.path, line: mostLines, why: `has ${file.lines} lines, at most ${mostLines}: split it by concern` }]
}

const testFunctions = new Set(['test', 'it', 'describe', 'suite', 'bench'])

/** Tests that do not run, or keep others from running. `skipIf` and `context.skip(why)` name a missing peer and are counted in CI. */
export function disabledTests(file: SourceFile): readonly Broken[] {
  return file
    .titledCalls(testFunctions)
    .filter(({ callee }) => /\.(only|skip|todo|fails)$/.test(callee.replace(/\.each$/, '')))
    .map(({ callee, line }) => ({ path: file.path, line, why: `${callee} must not be committed` }))
}

// Put together here, so that this file names none of them.
const hosts = [
  ['npmjs', 'org'], ['npmjs', 'com'], ['yarnpkg', 'com'], ['npmmirror', 'com'], ['pypi', 'org'], ['pythonhosted', 'org'], ['crates', 'io'],
  ['rubygems', 'org'], ['proxy', 'golang', 'org'], ['deb', 'debian', 'org'], ['ftp', 'debian', 'org'], ['archive', 'ubuntu', 'com'],
  ['security', 'ubuntu', 'com'], ['ports', 'ubuntu', 'com'], ['nodesource', 'com'], ['docker', 'io'], ['ghcr', 'io'], ['quay', 'io'], ['pkg', 'dev'],
].map((labels) => labels.join('.'))
const hostPattern = new RegExp(`(^|[^a-z0-9-])((?:[a-z0-9-]+\\.)*(?:${hosts.map((host) => host.replaceAll('.', '\\.')).join('|')}))(?![a-z0-9.-]*[a-z0-9])`, 'i')

/** Where packages come from is the business of the machine, not of the repository. */
export function registryHosts(path: string, text: string): readonly Broken[] {
  return text.split('\n').flatMap((line, index) => {
    const host = hostPattern.exec(line)?.[2]
    if (host !== undefined) return [{ path, line: index + 1, why: `names the registry host ${host}` }]
    if (path.endsWith('package-lock.json') && /"resolved"\s*:\s*"\w+:/.test(line)) return [{ path, line: index + 1, why: 'holds the address of a package' }]
    return []
  })
}
