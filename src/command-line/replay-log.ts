/** The log that a replay reads: an exported file, archives with what is left of the log, or the live one as it is now. */
import { resolve } from 'node:path'
import { type Subjects, subjectsOf } from '../../streams/subjects.ts'
import { type NamedFiles, demandSameLog, namedFiles, withArchives } from '../archive/merged.ts'
import { readLogFile } from '../log-file/read.ts'
import { readingInThread } from '../log-reading/thread-reader.ts'
import { fileFacts } from '../platform/folders.ts'
import { workingFolder } from '../platform/terminal.ts'
import type { ReadMessages } from '../replay/group.ts'
import { ReplayRefused } from '../replay/refused.ts'
import type { Settings } from './configuration.ts'
import { shellWord } from './here.ts'
import { openLogForReading } from './session.ts'

/** Of the files and folders that were named. */
export async function filesAt(paths: readonly string[]): Promise<NamedFiles> {
  const resolved = paths.map((path) => resolve(workingFolder(), path))
  return namedFiles(await Promise.all(resolved.map(async (path) => ({ path, isFolder: (await fileFacts(path))?.isFile === false }))))
}

type UseLog = (read: ReadMessages, subjects: Subjects, until: number | undefined) => Promise<void>

/** Builds that are compared read the same log at the same time. */
const comparedBuilds = 2

/**
 * `until`: the end of the log as it is now, of the live one or as the header of the exported file says. `compared`: the whole log is folded, by another build
 * as well; whoever looks for one group alone does little with a turn, and reading it elsewhere would gain nothing.
 */
export async function withLog(settings: Settings, paths: readonly string[] | undefined, use: UseLog, { compared = false } = {}): Promise<void> {
  try {
    await useLog(settings, paths, use, compared)
  } catch (error) {
    if (!(error instanceof ReplayRefused)) throw error
    if (error.code === 'unknown-group' && paths !== undefined) throw new ReplayRefused('unknown-group', `${error.what}, as ${paths.join(' and ')} ${paths.length === 1 ? 'says' : 'say'}`, 'name files of the log that it is of')
    if (error.code !== 'archived') throw error
    const named = [...(paths ?? []).map(shellWord), 'DIR'].join(' ')
    throw new ReplayRefused('archived', `${error.message}; name the folder of the archives too: --from ${named}`)
  }
}

async function useLog(settings: Settings, paths: readonly string[] | undefined, use: UseLog, compared: boolean): Promise<void> {
  const { exported, archives } = paths === undefined ? { exported: undefined, archives: undefined } : await filesAt(paths)
  if (exported !== undefined) {
    const { path, header } = exported
    const subjects = subjectsOf(header.realm)
    const read: ReadMessages = (options) => readLogFile(path, options)
    if (archives === undefined) return use(read, subjects, undefined)
    demandSameLog(archives, header, path)
    return use(withArchives(archives, subjects, read), subjects, undefined)
  }
  const { coordinator, subjects, connect } = await openLogForReading(settings)
  const { log } = coordinator
  try {
    if (archives !== undefined) demandSameLog(archives, { realm: subjects.realm, incarnation: log.incarnation }, 'the log')
    const read: ReadMessages = compared ? readingInThread(log, connect, { beside: comparedBuilds }) : (options) => log.read(options)
    await use(archives === undefined ? read : withArchives(archives, subjects, read), subjects, await log.end())
  } finally {
    await coordinator.close()
  }
}
