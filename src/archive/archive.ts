/**
 * The archive of a lane (DESIGN §5 "Archive"): what is old of it leaves the log for a verified file. Steps, each of which may be repeated after
 * a kill at any point:
 *
 * 1. The lane has a snapshot that can be read; what is archived lies before it, and is older than asked.
 * 2. The lane after the last of those turns lies among the texts; the file is on the disk, and was read back against the log.
 * 3. The lane's holder records `LaneArchived`. 4. The turns are purged. 5. What is left goes on from `turn`.
 *
 * Nothing is purged that is not recorded, and nothing is recorded that was not read back from the disk (I6).
 */
import type { LaneArchive } from '../../machines/lane/machine.ts'
import type { RealmConstants } from '../../machines/realm/realm.ts'
import { newUlid } from '../../streams/codec.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { type Subjects, groupId } from '../../streams/subjects.ts'
import type { Logger } from '../agent/context.ts'
import { laneBeginning } from '../lane/beginning.ts'
import { laneClient } from '../lane/client.ts'
import { cutSnapshot, foldFromSnapshot } from '../lane/snapshot.ts'
import { ArchiveRefused, ArchiveStopped } from './errors.ts'
import { type ArchiveName, DamagedArchive, type VerifiedArchive } from './file.ts'
import type { ArchiveShelf } from './shelf.ts'
import { ArchiveFold } from './snapshot.ts'
import { type LaneSurvey, type TurnAt, lastBefore, surveyLane, turnAt } from './survey.ts'

export interface ArchiveContext {
  readonly coordinator: Pick<Coordinator, 'log' | 'texts' | 'mappings' | 'snapshots' | 'bus'>
  readonly subjects: Subjects
  readonly clock: Clock
  readonly random: Random
  readonly constants: RealmConstants
  readonly logger: Pick<Logger, 'info' | 'warn' | 'debug'>
}

export interface ArchiveRequest {
  readonly lane: string
  readonly shelf: ArchiveShelf
  /** Turns whose time is longer ago, milliseconds. */
  readonly olderThanMs: number
  readonly actor: string
  /** Says what would be archived; writes nothing. */
  readonly dryRun?: boolean
  /** The archives of this lane may lie in several places: the newest need not be on the shelf. */
  readonly elsewhere?: boolean
  readonly signal: AbortSignal
  readonly failpoint?: (name: ArchiveFailpoint) => Promise<void>
}

/** Named places between the steps, where tests kill. */
export type ArchiveFailpoint = 'snapshot-cut' | 'text-put' | 'file-written' | 'file-verified' | 'recorded' | 'purged'

export interface LaneArchiving {
  readonly lane: string
  /** An earlier attempt was cut off before its end; up to this turn its purge was finished now (null: there was none). */
  readonly finished: number | null
  /** What was archived now, or would be; null where there is nothing. */
  readonly archived: { readonly from: number; readonly number: number; readonly turns: number; readonly file: string; readonly sha256: string | null } | null
  /** Why nothing was, in words. */
  readonly why: string | null
}

/** A name that no agent has. */
const cutter = 'log.archive'
const recordWithinMs = 30_000
const askAgainMs = 250

/** One lane. Throws `ArchiveRefused`, `DamagedArchive`, `ArchiveStopped`, `LaneBeginsLater`, `Unavailable`; then it may be repeated. */
export async function archiveLane(context: ArchiveContext, request: ArchiveRequest): Promise<LaneArchiving> {
  return new LaneArchiver(context, request).run()
}

class LaneArchiver {
  readonly #context: ArchiveContext
  readonly #request: ArchiveRequest
  readonly #subject: string

  constructor(context: ArchiveContext, request: ArchiveRequest) {
    this.#context = context
    this.#request = request
    this.#subject = context.subjects.lane(request.lane)
  }

  async run(): Promise<LaneArchiving> {
    const { lane, shelf, dryRun } = this.#request
    let survey = await this.#survey()
    if (survey === undefined) return { lane, finished: null, archived: null, why: 'it has no turn' }
    let finished: number | null = null
    const { archive } = survey
    if (archive !== undefined && (survey.first.number <= archive.number || survey.gapped)) {
      finished = archive.number
      if (dryRun !== true) {
        await this.#purge(archive, await this.#fileOf(archive, survey))
        survey = (await this.#survey())!
      }
    }
    if (dryRun !== true) this.#demandWhole(survey)
    if (archive !== undefined && finished === null) await this.#demandNewest(archive)
    if (dryRun !== true) await shelf.prepare(this.#named)
    const from = (archive?.number ?? 0) + 1
    const last = await this.#chosen(survey, from)
    if (typeof last === 'string') return { lane, finished, archived: null, why: last }
    const about = { from, number: last.number, turns: last.number - from + 1, file: shelf.pathOf({ ...this.#named, from, number: last.number }) }
    if (dryRun === true) return { lane, finished, archived: { ...about, sha256: null }, why: null }
    const { data, verified } = await this.#written(survey, from, last)
    await this.#record(survey, data)
    await this.#reached('recorded')
    await this.#purge(data, verified)
    return { lane, finished, archived: { ...about, sha256: data.file }, why: null }
  }

  get #named(): { readonly realm: string; readonly incarnation: number; readonly lane: string } {
    return { realm: this.#context.subjects.realm, incarnation: this.#context.coordinator.log.incarnation, lane: this.#request.lane }
  }

  async #survey(): Promise<LaneSurvey | undefined> {
    const survey = await surveyLane(this.#context.coordinator.log, this.#subject, this.#request.signal)
    this.#demandGoing()
    return survey
  }

  async #reached(name: ArchiveFailpoint): Promise<void> {
    await this.#request.failpoint?.(name)
    this.#demandGoing()
  }

  #demandGoing(): void {
    if (this.#request.signal.aborted) throw new ArchiveStopped()
  }

  #demandWhole({ first, archive, gapped }: LaneSurvey): void {
    const { lane } = this.#request
    const number = archive?.number ?? 0
    if (first.number !== number + 1 && !(archive === undefined && first.number === 1)) {
      throw new ArchiveRefused(`lane ${lane} begins with turn ${first.number}, and ${archive === undefined ? 'no archive of it is recorded' : `is archived up to turn ${number}`}: turns are missing, "reeve log verify" says which`)
    }
    if (gapped || (archive !== undefined && first.previous !== archive.turn)) throw new ArchiveRefused(`the chain of lane ${lane} is broken behind turn ${number}: "reeve log verify" says where; nothing more is archived`)
  }

  /** Who archives a lane into two folders by mistake finds out when the files are needed. By its name and its end, which cost nothing. */
  async #demandNewest({ from, number }: LaneArchive): Promise<void> {
    const { shelf, lane, elsewhere } = this.#request
    const name = { ...this.#named, from, number }
    const path = shelf.pathOf(name)
    if (!(await shelf.has(name))) {
      if (elsewhere === true) return
      throw new ArchiveRefused(`the newest archive of lane ${lane} is not there: ${path} is missing; name the folder that has it with --to, or say --elsewhere where its archives are to lie in several folders`)
    }
    if (!(await shelf.seemsWhole(name))) throw new ArchiveRefused(`the newest archive of lane ${lane}, ${path}, was cut off: its turns ${from} to ${number} are nowhere else; put a whole copy of it there, then repeat this`)
  }

  /** The file that is on record, by its name and digest; where it is lost and none of its turns are purged, it is written again. */
  async #fileOf(archive: LaneArchive, survey: LaneSurvey): Promise<VerifiedArchive> {
    const { shelf, lane } = this.#request
    const name = { ...this.#named, from: archive.from, number: archive.number }
    const path = shelf.pathOf(name)
    const missing = `turns ${archive.from} to ${archive.number} of lane ${lane} are on record as archived and not all of them are purged`
    const isThere = await shelf.has(name)
    if (!isThere && survey.first.number === archive.from && !survey.gapped) {
      await shelf.prepare(this.#named)
      const last = await turnAt(this.#context.coordinator.log, this.#subject, archive.number, this.#request.signal)
      if (last !== undefined) await this.#written(survey, archive.from, last)
    } else if (!isThere) throw new ArchiveRefused(`${missing}, but ${path} is not there: name the folder of that file with --to`)
    const verified = await shelf.verify(name)
    if (verified.file !== archive.file) throw new ArchiveRefused(`${missing}, but ${path} is another file than the one on record (SHA-256 ${archive.file}): nothing is purged`)
    return verified
  }

  /** Step 1. The turn up to which is archived, or why there is none. */
  async #chosen(survey: LaneSurvey, from: number): Promise<TurnAt | string> {
    const { coordinator, clock, logger, subjects, constants } = this.#context
    const { lane, shelf, olderThanMs, dryRun, signal } = this.#request
    const { log } = coordinator
    let before = survey.last.number
    if (dryRun !== true) {
      const cut = await cutSnapshot({ coordinator, subjects, clock, constants, logger }, lane, cutter, signal)
      this.#demandGoing()
      if (cut.kind === 'refused') throw new ArchiveRefused(`nothing of lane ${lane} is archived: ${cut.why}`)
      await this.#reached('snapshot-cut')
      const folded = await foldFromSnapshot({ coordinator, subjects, clock, constants, logger }, lane, signal)
      this.#demandGoing()
      if (folded === undefined) throw new ArchiveRefused(`the snapshot of lane ${lane} cannot be read back: nothing is archived; try again`)
      before = Math.min(before, folded.state.number)
    }
    const limits = { from, before, timeMs: clock.nowMs() - olderThanMs }
    const oldest = await lastBefore(log, this.#subject, limits, signal)
    this.#demandGoing()
    const none = `no turn before its snapshot is as old as that (its last turn is ${survey.last.number})`
    if (oldest === undefined) return none
    // Else each run would archive the record of the one before, for ever.
    if (oldest.idle) return `what is as old as that are the records of its archives (up to turn ${oldest.number} of ${survey.last.number})`
    // An attempt that was cut off before it was recorded: its file is gone on with.
    const begun = (await shelf.archivesOf(this.#named)).find((one) => one.from === from && one.number <= oldest.number)
    return begun === undefined ? oldest : ((await turnAt(log, this.#subject, begun.number, signal)) ?? none)
  }

  /** Step 2. */
  async #written(survey: LaneSurvey, from: number, last: TurnAt): Promise<{ readonly data: LaneArchive; readonly verified: VerifiedArchive }> {
    const { coordinator, subjects } = this.#context
    const { lane, shelf, signal } = this.#request
    const { log, texts } = coordinator
    const name = { ...this.#named, from, number: last.number }
    const beginning = from === 1 ? undefined : await laneBeginning(this.#context, lane, from - 1, signal)
    const fold = new ArchiveFold(this.#context, lane, beginning)
    for await (const batch of log.read({ subjects: [this.#subject], from: survey.first.position, until: last.position, signal })) for (const message of batch) fold.take(message)
    this.#demandGoing()
    if (fold.number !== last.number) throw new ArchiveRefused(`lane ${lane} cannot be folded up to turn ${last.number}: "reeve log verify" says what is wrong; nothing is archived`)
    const { bytes, digest } = await fold.snapshot(last, signal)
    this.#demandGoing()
    await texts.put(bytes)
    await this.#reached('text-put')
    const about = { lane, from, number: last.number, previous: survey.first.previous, turn: last.digest, snapshot: digest }
    if (!(await shelf.has(name))) {
      await shelf.write(name, { ...about, realm: subjects.realm, subject: this.#subject, fromPosition: survey.first.position, untilPosition: last.position, bytes }, signal)
      this.#demandGoing()
    }
    await this.#reached('file-written')
    const verified = await this.#verifiedUnpurged(name)
    const { archive, until } = verified.header
    const fits = until === last.position && Object.entries(about).every(([key, value]) => archive[key as keyof typeof archive] === value)
    if (!fits) throw new ArchiveRefused(`${shelf.pathOf(name)} is there, and is not what would be archived now: move it away, nothing is on record of it`)
    await this.#reached('file-verified')
    return { verified, data: { from, number: last.number, turn: last.digest, file: verified.file, snapshot: digest } }
  }

  /** Of which nothing is purged yet: it can be written anew. */
  async #verifiedUnpurged(name: ArchiveName): Promise<VerifiedArchive> {
    try {
      return await this.#request.shelf.verify(name)
    } catch (error) {
      if (!(error instanceof DamagedArchive)) throw error
      throw new ArchiveRefused(`${error.fault}; its turns are all still in the log, so move it away and repeat this`)
    }
  }

  /** Step 3. */
  async #record(survey: LaneSurvey, data: LaneArchive): Promise<void> {
    const { coordinator, subjects, clock, random } = this.#context
    const { lane, actor, signal } = this.#request
    const lanes = laneClient({ bus: coordinator.bus, subjects })
    const command = newUlid(clock.nowMs(), random)
    const builtOn = { incarnation: coordinator.log.incarnation, number: survey.last.number }
    const untilMs = clock.monotonicMs() + recordWithinMs
    for (;;) {
      const answer = await lanes.send(lane, { builtOn, command, group: groupId(lane, command), actor, body: { kind: 'archive', ...data } })
      this.#demandGoing()
      if (answer.kind === 'done') return
      if (answer.kind === 'refused') throw new ArchiveRefused(`it was not recorded that turns ${data.from} to ${data.number} of lane ${lane} are archived: ${answer.text}`)
      if (clock.monotonicMs() > untilMs) throw new Unavailable(`nobody who holds lane ${lane} has answered: start agents ("reeve agent"), then repeat this`)
      await pause(clock, askAgainMs, signal)
    }
  }

  /** Steps 4 and 5. */
  async #purge(archive: LaneArchive, { header }: VerifiedArchive): Promise<void> {
    const { log } = this.#context.coordinator
    const { lane } = this.#request
    await log.purge(this.#subject, header.until)
    await this.#reached('purged')
    const left = await this.#survey()
    if (left === undefined || left.gapped || left.first.number !== archive.number + 1 || left.first.previous !== archive.turn) {
      throw new ArchiveRefused(`what is left of lane ${lane} does not go on from turn ${archive.number}: "reeve log verify" says where`)
    }
  }
}
