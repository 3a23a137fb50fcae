/**
 * Takes the turns of a file, or of a stream that was put back, over into the next incarnation of a realm: same subjects, order and bytes,
 * so same revisions, lane numbers and digests; then the realm's own `RealmRestored`, in quarantine. Constant memory.
 *
 * 1. Until the last step nothing of the realm is changed but texts, which are named by their digests, and no program finds what is there so far.
 * 2. What is taken over is checked on the way (the chain of each subject, revisions) and read back at the end.
 * 3. Killed at any step and repeated, it begins anew and ends the same.
 */
import { createHash } from 'node:crypto'
import { counted } from '../../machines/counted.ts'
import { recordRestore } from '../../machines/realm/decide.ts'
import { type RealmEvent, type RealmState, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { type Turn, firstDigest, schemaVersion } from '../../streams/envelope.ts'
import { withoutLogin } from '../../streams/login-in-text.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { TextStore } from '../../streams/ports/coordinator.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { Incarnations, NextIncarnation, NextMessage } from '../../streams/ports/incarnations.ts'
import { type Subjects, inRealm, singletons } from '../../streams/subjects.ts'
import type { LogFileText } from '../log-file/format.ts'
import { ChainCheck } from '../verification/chain.ts'
import { LogDamaged } from '../verification/finding.ts'
import { demandNobodyPresent } from './nobody-present.ts'
import { RestoreRefused } from './refused.ts'
import type { RestoreSource } from './source.ts'

export interface RestoreRequest {
  readonly source: RestoreSource
  /** Of the realm that it goes into; its name may be another than that of the source. */
  readonly subjects: Subjects
  readonly actor: string
  /** Said to everybody who asks why nothing is executed. */
  readonly why: string
  /** Default: one more than the highest that is known. */
  readonly incarnation?: number
  /** Checks everything that can be checked without writing, reads the source to its end, and writes nothing. */
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: RestoreProgress) => void
}

export interface RestoreProgress {
  readonly step: 'writing' | 'reading back'
  readonly turns: number
  /** Of the source, or of what was written. */
  readonly position: number
  readonly until: number
}

export interface Restored {
  readonly how: 'import' | 'restore'
  readonly from: number
  readonly incarnation: number
  readonly turns: number
  readonly events: number
  readonly texts: number
  /** Random id of the realm. */
  readonly realm: string
  /** It was in quarantine before; that one goes on. */
  readonly quarantinedBefore: boolean
}

export interface RestoreContext {
  readonly incarnations: Incarnations
  readonly clock: Clock
  readonly random: Random
}

/** Read ahead of what is dealt with, so that memory is bounded. */
export const aheadBytes = 4 * 1024 * 1024

/** It was told to stop; nothing was changed. */
export class RestoreStopped extends Error {
  override readonly name = 'RestoreStopped'
  readonly retryable = true
}

/**
 * Throws `RestoreRefused`, `LogDamaged`, `RestoreStopped`, `MadeByAnother`, `WrittenMeanwhile`, `Unavailable`, and what the source throws; then the realm is as it was, unless
 * the message of an `Unavailable` says that it is to be repeated first.
 */
export async function restoreRealm(context: RestoreContext, request: RestoreRequest): Promise<Restored> {
  const { incarnations, clock } = context
  const { source, subjects } = request
  const whole = await incarnations.whole()
  if (source.how === 'import' && whole !== undefined && whole.turns > 0) {
    throw new RestoreRefused(`realm ${subjects.realm} is not empty (incarnation ${whole.incarnation}, ${counted(whole.turns, 'turn')}): import into a realm of another name (--realm NAME), or into another server`)
  }
  await demandNobodyPresent(incarnations, clock)
  const known = Math.max(whole?.incarnation ?? 0, source.incarnation)
  const incarnation = request.incarnation ?? known + 1
  if (incarnation <= known) throw new RestoreRefused(`incarnation ${incarnation} is not later than ${known}, which is known of the realm: name a higher one, or leave --incarnation out`)
  if (request.dryRun === true) return new TakingOver(context, request, undefined, undefined).run(incarnation)
  const next = await incarnations.begin(incarnation)
  try {
    const done = await new TakingOver(context, request, next, await incarnations.texts()).run(incarnation)
    await next.enter(source.how === 'restore' ? source.until : 0)
    return done
  } catch (error) {
    await undo(next, error)
    throw error
  }
}

/** Throws `Unavailable` where that is not possible. */
async function undo(next: NextIncarnation, cause: unknown): Promise<void> {
  try {
    await next.abandon()
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    const first = cause instanceof Error ? cause.message : String(cause)
    throw new Unavailable(`it was not done (${first}) and what it began cannot be undone now (${error.message}): no program starts in the realm before you repeat it`, { cause })
  }
}

const textsAtOnce = 400
/** In characters. */
const textsAtOnceLength = 1024 * 1024

class TakingOver {
  readonly #context: RestoreContext
  readonly #request: RestoreRequest
  /** Absent: a rehearsal. */
  readonly #next: NextIncarnation | undefined
  readonly #texts: TextStore | undefined
  readonly #realm: RealmState = emptyRealm()
  readonly #check: ChainCheck
  /** Over everything that is written, in order. */
  readonly #written = createHash('sha256')
  #tail: { readonly turn: Turn; readonly digest: string } | undefined
  /** Of the source, so far. */
  #chain = ''
  #textCount = 0
  readonly #waitingTexts = new Map<string, string>()
  #waitingTextsLength = 0

  constructor(context: RestoreContext, request: RestoreRequest, next: NextIncarnation | undefined, texts: TextStore | undefined) {
    this.#context = context
    this.#request = request
    this.#next = next
    this.#texts = texts
    const { realm, incarnation } = request.source
    this.#check = new ChainCheck({
      realm, incarnation, fromBeginning: true,
      // A fault that a writer made in an unbroken chain is part of the history: who folds it sees it again.
      onFinding: (finding) => {
        if (finding.kind !== 'revision' && finding.kind !== 'order') throw new LogDamaged(finding)
      },
    })
  }

  async run(incarnation: number): Promise<Restored> {
    const { source, signal, onProgress } = this.#request
    for await (const { messages, texts, chain } of source.read(signal)) {
      if (signal?.aborted) break
      this.#chain = chain
      await this.#takeTexts(texts)
      await this.#take(messages)
      onProgress?.({ step: 'writing', turns: this.#check.turns, position: messages.at(-1)?.position ?? 0, until: source.until })
    }
    this.#demandGoing()
    await this.#putTexts()
    const { turns, events } = this.#check
    const quarantinedBefore = this.#realm.quarantine !== null
    const last = this.#lastTurn(incarnation, turns)
    await this.#write([last])
    if (this.#next !== undefined) {
      const end = await this.#next.settle()
      await this.#readBack(this.#next, end)
    }
    this.#demandGoing()
    return { how: source.how, from: source.incarnation, incarnation, turns, events, texts: this.#textCount, realm: this.#realm.realm, quarantinedBefore }
  }

  #demandGoing(): void {
    if (this.#request.signal?.aborted) throw new RestoreStopped('it was stopped before it was whole: the realm is as it was')
  }

  /** Before the realm is entered they are named by nobody; put many at a time, each time costs a sync of the disk. */
  async #takeTexts(texts: readonly LogFileText[]): Promise<void> {
    this.#textCount += texts.length
    if (this.#texts === undefined) return
    for (const { text, payload } of texts) {
      if (this.#waitingTexts.has(text)) continue
      this.#waitingTexts.set(text, payload)
      this.#waitingTextsLength += payload.length
      if (this.#waitingTexts.size >= textsAtOnce || this.#waitingTextsLength >= textsAtOnceLength) await this.#putTexts()
    }
  }

  async #putTexts(): Promise<void> {
    const encoder = new TextEncoder()
    const texts = [...this.#waitingTexts.values()].map((payload) => encoder.encode(payload))
    this.#waitingTexts.clear()
    this.#waitingTextsLength = 0
    await this.#texts?.putMany(texts)
  }

  async #take(messages: readonly StoredMessage[]): Promise<void> {
    const { source, subjects } = this.#request
    const own = `${source.realm}.event.realm.${singletons.realm}`
    const batch: NextMessage[] = []
    for (const message of messages) {
      const turn = this.#check.take(message)!
      if (message.subject === own) {
        for (const commit of turn.commits) for (const event of commit.events) foldRealm(this.#realm, event as RealmEvent)
        this.#tail = { turn, digest: digestOf(message.bytes) }
      }
      batch.push({ subject: inRealm(source.realm, subjects.realm, message.subject)!, bytes: message.bytes })
    }
    await this.#write(batch)
  }

  async #write(messages: readonly NextMessage[]): Promise<void> {
    for (const { subject, bytes } of messages) this.#written.update(`${subject}\n${bytes.length}\n`).update(bytes)
    await this.#next?.write(messages)
  }

  #lastTurn(incarnation: number, turns: number): NextMessage {
    const { source, subjects, actor } = this.#request
    const why = withoutLogin(this.#request.why)
    const { clock, random } = this.#context
    const self = singletons.realm
    const decision = recordRestore(this.#realm, { from: source.incarnation, how: source.how, turns, realm: source.realm, end: this.#chain }, why)
    if (decision.kind === 'refused') throw new RestoreRefused(`${source.name} cannot be taken over: ${decision.refusal.text}`)
    const before = this.#tail?.turn
    const timeMs = Math.max(clock.nowMs(), before?.timeMs ?? 0)
    const bytes = encodeTurn({
      turn: newUlid(clock.nowMs(), random),
      schema: schemaVersion,
      incarnation,
      number: (before?.number ?? 0) + 1,
      timeMs,
      previous: this.#tail?.digest ?? firstDigest,
      commits: [{ aggregate: 'realm', id: self, revision: this.#realm.revision + 1, actor, events: decision.kind === 'events' ? decision.events : [] }],
    })
    return { subject: subjects.aggregate('realm', self), bytes }
  }

  /** What is stored is what was written, to the byte and in its order. */
  async #readBack(next: NextIncarnation, until: number): Promise<void> {
    const { signal, onProgress } = this.#request
    const stored = createHash('sha256')
    let turns = 0
    for await (const batch of next.log.read({ subjects: [], from: 1, until, aheadBytes, ...(signal === undefined ? {} : { signal }) })) {
      for (const { subject, bytes } of batch) stored.update(`${subject}\n${bytes.length}\n`).update(bytes)
      turns += batch.length
      onProgress?.({ step: 'reading back', turns, position: batch.at(-1)!.position, until })
    }
    this.#demandGoing()
    if (turns !== until || stored.digest('hex') !== this.#written.digest('hex')) throw new Unavailable('what the server has stored is not what was written: somebody else writes to it, or its disk is damaged; repeat this')
  }
}
