/**
 * A lane's turns on the feed (DESIGN §3), each after it was acknowledged. A courtesy (P9): it is said after whatever waits for the turn
 * has been answered and the next turn is on its way, so that nobody's job waits for it.
 *
 * Of a lane at work nearly nobody listens to nearly all of it, and to say it all costs a good part of the processor time of those at work (docs/performance.md). So
 * what is more than `plainBytes` in a tenth of a second is held back, of each aggregate its first commit is then said in a way that tells
 * whether anybody subscribes, and the rest follows where somebody does. Invariants:
 * 1. Of one aggregate everything is said in order, or nothing from some commit on while nobody subscribes.
 * 2. Who subscribes is said every commit that is acknowledged from then on: at once where that is known, else up to `holdMs` and the server's answer later.
 * 3. At most `heldLimitBytes` and one turn are held; more is said, whoever listens.
 */
import { type FedTurn, feedMessage, publishOnFeed } from '../../streams/feed.ts'
import type { Commit } from '../../streams/envelope.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Clock, Timer } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { AppendedTurn } from './holding.ts'

/** Said of a lane in `holdMs`, whoever listens. One commit may be more. */
const plainBytes = 8 * 1024
/** How long something is held back before it is found out whether anybody listens. What is held longer outlives more collections, which costs more than to ask less often saves. */
const holdMs = 100
/** Whoever listened is taken to listen for so long. The next commit then tells whether that is still so. */
const heardForMs = 5_000
/** So few commits of an aggregate cost no more than to find out who listens: that is done where there are some the next time too. */
const fewCommits = 2
const heldLimitBytes = 4 * 1024 * 1024
/** Within which the server says who listens; after that everybody is taken to. */
const hearWaitMs = 2_000

export interface LaneFeedOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
}

interface Held {
  readonly turn: FedTurn
  readonly index: number
  readonly aggregate: string
}

export class LaneFeed {
  readonly #options: LaneFeedOptions
  #again: AppendedTurn[] = []
  #waiting: AppendedTurn[] = []
  #timer: Timer | undefined
  /** In the order of the log. */
  #held: Held[] = []
  #heldBytes = 0
  /** Aggregates of which something is held: what comes of them now comes behind that. */
  #holding = new Set<string>()
  #hearing: Timer | undefined
  #isAsking = false
  /** Of which few commits were held the last time, and said without asking. */
  #few: ReadonlySet<string> = new Set()
  /** What tells whether somebody still listens, to be sent behind all else of this moment. */
  #asks: Held[] = []
  /** By aggregate that somebody listens to: until when that is taken to be so. */
  readonly #heardUntilMs = new Map<string, number>()
  #spentBytes = 0
  #spendingSinceMs = 0
  #abandoned = false

  constructor(options: LaneFeedOptions) {
    this.#options = options
  }

  say(turn: AppendedTurn): void {
    this.#waiting.push(turn)
    this.#timer ??= this.#options.clock.after(0, () => this.#publish())
  }

  /** P9: what a former holder may have left unsaid, before anything else, whoever listens. */
  sayAgain(turns: readonly AppendedTurn[]): void {
    this.#again.push(...turns)
    this.#timer ??= this.#options.clock.after(0, () => this.#publish())
  }

  /** The lane is let go: all that was acknowledged, whoever listens, before another holder says what comes after it. */
  end(): void {
    if (this.#abandoned) return
    this.#sayHeld()
    const turns = [...this.#again, ...this.#waiting]
    this.#again = []
    this.#waiting = []
    for (const turn of turns) publishOnFeed(this.#options.bus, this.#options.subjects, turn)
  }

  /** What was not said stays unsaid, as after a crash. */
  abandon(): void {
    this.#abandoned = true
    this.#timer?.cancel()
    this.#hearing?.cancel()
    this.#again = []
    this.#waiting = []
    this.#held = []
  }

  #publish(): void {
    const { bus, subjects } = this.#options
    for (const turn of this.#again) publishOnFeed(bus, subjects, turn)
    const turns = this.#waiting
    this.#again = []
    this.#waiting = []
    this.#timer = undefined
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#spendingSinceMs >= holdMs) {
      this.#spendingSinceMs = nowMs
      this.#spentBytes = 0
    }
    for (const turn of turns) for (let index = 0; index < turn.commits.length; index++) this.#sayOrHold(turn, index, nowMs)
    if (this.#asks.length > 0) void this.#askOn(nowMs)
    if (this.#heldBytes > heldLimitBytes) this.#sayHeld()
    else if (this.#held.length > 0 && !this.#isAsking) this.#hearing ??= this.#options.clock.after(holdMs, () => void this.#hear())
  }

  #sayOrHold(turn: FedTurn, index: number, nowMs: number): void {
    const aggregate = keyOf(turn.commits[index]!)
    if (!this.#holding.has(aggregate)) {
      const heardUntilMs = this.#heardUntilMs.get(aggregate)
      if (heardUntilMs !== undefined) return heardUntilMs > nowMs ? this.#say(turn, index) : void this.#asks.push({ turn, index, aggregate })
      if (this.#spentBytes < plainBytes) {
        this.#spentBytes += bytesOf(turn, index)
        return this.#say(turn, index)
      }
    }
    this.#holding.add(aggregate)
    this.#heldBytes += bytesOf(turn, index)
    this.#held.push({ turn, index, aggregate })
  }

  /** What comes behind these goes on being said until it is known that nobody listens any more. */
  async #askOn(nowMs: number): Promise<void> {
    const { bus, subjects } = this.#options
    const asks = this.#asks
    this.#asks = []
    for (const { aggregate } of asks) this.#heardUntilMs.set(aggregate, nowMs + heardForMs)
    const heard = await bus.publishHeard(asks.map(({ turn, index }) => feedMessage(subjects, turn, index)), hearWaitMs).catch(() => [])
    // Of several of one aggregate the last one counts.
    const last = new Map(asks.map(({ aggregate }, at) => [aggregate, heard[at]]))
    for (const [aggregate, isHeard] of last) if (isHeard === false) this.#heardUntilMs.delete(aggregate)
  }

  #say(turn: FedTurn, index: number): void {
    const { bus, subjects } = this.#options
    const { subject, data } = feedMessage(subjects, turn, index)
    bus.publish(subject, data)
  }

  #sayHeld(): void {
    for (const { turn, index } of this.#held) this.#say(turn, index)
    this.#keep([])
  }

  #keep(held: Held[]): void {
    this.#held = held
    this.#heldBytes = 0
    this.#holding = new Set()
    for (const { turn, index, aggregate } of held) {
      this.#heldBytes += bytesOf(turn, index)
      this.#holding.add(aggregate)
    }
  }

  /** Finds out which of the aggregates of what is held somebody listens to, says that, and drops the rest of what was held before. */
  async #hear(): Promise<void> {
    this.#hearing = undefined
    const { bus, subjects, clock } = this.#options
    const counts = new Map<string, number>()
    for (const { aggregate } of this.#held) counts.set(aggregate, (counts.get(aggregate) ?? 0) + 1)
    const firsts = new Map<string, Held>()
    const rest: Held[] = []
    const fewBefore = this.#few
    this.#few = new Set([...counts.keys()].filter((aggregate) => counts.get(aggregate)! <= fewCommits && !fewBefore.has(aggregate)))
    for (const held of this.#held) {
      const { turn, index, aggregate } = held
      if (this.#few.has(aggregate)) this.#say(turn, index)
      else if (firsts.has(aggregate)) rest.push(held)
      else firsts.set(aggregate, held)
    }
    this.#keep(rest)
    if (firsts.size === 0) return
    const heldBefore = rest.length
    this.#isAsking = true
    const asked = [...firsts.keys()]
    const heard = await bus.publishHeard([...firsts.values()].map(({ turn, index }) => feedMessage(subjects, turn, index)), hearWaitMs).catch(() => asked.map(() => true))
    this.#isAsking = false
    if (this.#abandoned) return
    const nowMs = clock.monotonicMs()
    // Of which nothing more came: what comes yet is held back as at first.
    for (const [aggregate, untilMs] of this.#heardUntilMs) if (untilMs + heardForMs <= nowMs) this.#heardUntilMs.delete(aggregate)
    const silent = new Set<string>()
    asked.forEach((aggregate, index) => {
      if (heard[index] === true) this.#heardUntilMs.set(aggregate, nowMs + heardForMs)
      else silent.add(aggregate)
    })
    // All was said meanwhile where it is another list.
    const old = this.#held === rest ? heldBefore : 0
    const later: Held[] = []
    this.#held.forEach((held, at) => {
      if (firsts.has(held.aggregate) && !silent.has(held.aggregate)) this.#say(held.turn, held.index)
      else if (at >= old) later.push(held)
    })
    this.#keep(later)
    if (later.length > 0) this.#hearing = clock.after(holdMs, () => void this.#hear())
  }
}

function keyOf({ aggregate, id }: Commit): string {
  return aggregate === 'group' ? id : `${aggregate}.${id}`
}

function bytesOf({ commitTexts, commits }: FedTurn, index: number): number {
  return commitTexts?.[index]?.length ?? commits[index]!.events.length * 200
}
