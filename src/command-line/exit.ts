/** Exit codes (DESIGN §6) and the one line that goes with them. What an error is decides, never its text. */
import { CommanderError } from 'commander'
import { ApiFailure, exitCodeOf } from '../../streams/api/errors.ts'
import { NoSuchRealm, WrongDefinition } from '../../streams/jetstream/streams-definition.ts'
import { RealmUnfinished, ServerTooOld } from '../../streams/jetstream/connect.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { MadeByAnother, WrittenMeanwhile } from '../../streams/ports/incarnations.ts'
import { MalformedId } from '../../streams/subjects.ts'
import { ArchiveRefused, ArchiveStopped } from '../archive/errors.ts'
import { DamagedArchive } from '../archive/file.ts'
import { LaneBeginsLater } from '../lane/beginning.ts'
import { MalformedLogFile } from '../log-file/format.ts'
import { ArchivedMeanwhile, ExportStopped } from '../log-file/export.ts'
import { NoLogFile, UnreadableLogFile } from '../log-file/read.ts'
import { FolderInUse } from '../platform/data-folder.ts'
import { FolderUnusable, isDiskFull } from '../platform/files.ts'
import { PortTaken } from '../platform/http-server.ts'
import { DurabilityUnanswered, RealmRefused } from '../realm/founding.ts'
import { WrongIncarnation } from '../realm/commit-append.ts'
import { MalformedAt } from '../replay/at.ts'
import { NoBuild } from '../replay/builds.ts'
import { MalformedDigestsRequest } from '../replay/digests.ts'
import { ReplayRefused } from '../replay/refused.ts'
import { RestoreRefused } from '../restore/refused.ts'
import { RestoreStopped } from '../restore/restore.ts'
import { NatsServerError } from '../server/errors.ts'
import { UnknownSiteKind } from '../sites/registry.ts'
import { BadTime } from '../trigger/nominal-times.ts'
import { ChildDidNotStart } from '../up/supervisor.ts'
import { LogDamaged } from '../verification/finding.ts'
import { NotComparable } from '../verification/verify.ts'
import { shellWord } from './here.ts'

export const exitCodes = { done: 0, failed: 1, usage: 2, refused: 3, unreachable: 4, interrupted: 130 } as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export const exitMeanings: readonly (readonly [ExitCode, string])[] = [
  [exitCodes.done, 'done'],
  [exitCodes.failed, 'it was tried and did not succeed'],
  [exitCodes.usage, 'wrong usage'],
  [exitCodes.refused, 'refused: a precondition does not hold, nothing was changed'],
  [exitCodes.unreachable, 'somebody who is needed did not answer; where a command may still happen, its id is said'],
  [exitCodes.interrupted, 'interrupted: what it waited for goes on, what it was to make is not there; where a command may have been carried out, its id is said. So do `log tail` and `machine watch` end, which follow until then; programs that run until they are told to stop (`up`, `agent`, `serve`, `simulated-site`) end with 0'],
]

/** A command ends with this code and line. */
export class CommandEnd extends Error {
  override readonly name = 'CommandEnd'
  readonly exitCode: ExitCode
  /** Further lines, one problem each. */
  readonly more: readonly string[]
  constructor(exitCode: ExitCode, message: string, more: readonly string[] = []) {
    super(message)
    this.exitCode = exitCode
    this.more = more
  }
}

export interface Ending {
  readonly exitCode: ExitCode
  readonly lines: readonly string[]
}

/** Undefined for what no command should ever meet: a fault of this program. */
export function endingOf(error: unknown): Ending | undefined {
  if (error instanceof CommandEnd) return { exitCode: error.exitCode, lines: [error.message, ...error.more] }
  if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? exitCodes.done : exitCodes.usage, lines: [] }
  if (error instanceof ApiFailure) {
    // With several problems the text is a summary of them, or the first.
    const more = error.more.map((one) => one.text).filter((text) => text !== error.message)
    return { exitCode: exitCodeOf(error.code) as ExitCode, lines: [error.message, ...more] }
  }
  if (error instanceof MalformedLogFile && error.line > 1) {
    return { exitCode: exitCodes.failed, lines: [`${error.message}; "reeve log verify --from ${shellWord(error.file)}" says what of it is as it was written`] }
  }
  const exitCode = codeOf(error)
  // Wherever something was to be written.
  if (exitCode === undefined && isDiskFull(error)) return { exitCode: exitCodes.failed, lines: [`a disk is full (${(error as Error).message}): make room there`] }
  return exitCode === undefined ? undefined : { exitCode, lines: [(error as Error).message] }
}

function codeOf(error: unknown): ExitCode | undefined {
  if (error instanceof Unavailable || error instanceof NoSuchRealm || error instanceof DurabilityUnanswered) return exitCodes.unreachable
  if (error instanceof NoLogFile || error instanceof MalformedAt || error instanceof MalformedId || error instanceof UnknownSiteKind || error instanceof BadTime || error instanceof NoBuild || error instanceof MalformedDigestsRequest) return exitCodes.usage
  if (error instanceof ReplayRefused) return error.code === 'malformed' ? exitCodes.usage : exitCodes.refused
  if (error instanceof NatsServerError) return error.problem === 'did-not-start' ? exitCodes.failed : exitCodes.refused
  if (error instanceof MalformedLogFile || error instanceof DamagedArchive || error instanceof UnreadableLogFile || error instanceof LogDamaged || error instanceof ChildDidNotStart) return exitCodes.failed
  if (error instanceof RestoreStopped || error instanceof ArchiveStopped || error instanceof ExportStopped) return exitCodes.interrupted
  const refusals = [ArchiveRefused, ArchivedMeanwhile, LaneBeginsLater, ServerTooOld, RealmUnfinished, RestoreRefused, MadeByAnother, WrittenMeanwhile, NotComparable, WrongDefinition, RealmRefused, WrongIncarnation, FolderInUse, FolderUnusable, PortTaken]
  return refusals.some((kind) => error instanceof kind) ? exitCodes.refused : undefined
}
