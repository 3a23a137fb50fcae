/** I4, I5: one writer at a time, nothing lost, nothing doubled, each turn on the one before it. */
import { digestOf } from '../../streams/codec.ts'
import { firstDigest } from '../../streams/envelope.ts'
import type { ReadLog, StoredTurn } from './read.ts'
import type { Violation } from './violation.ts'

export interface LogFacts {
  /** By turn id, where it is known: the process that appended it. */
  readonly writers?: ReadonlyMap<string, string>
}

export function checkLog(log: ReadLog, facts: LogFacts = {}): Violation[] {
  return [...checkSubjects(log), ...checkIds(log), ...checkRevisions(log), ...checkHolders(log, facts.writers)]
}

/** Numbers, digests and times of each subject; positions of the whole. A log that begins later (archived) is judged from there. */
function checkSubjects(log: ReadLog): Violation[] {
  const violations: Violation[] = []
  const tails = new Map<string, { number: number; digest: string; timeMs: number }>()
  let lastPosition = 0
  let incarnation = 0
  for (const { message, turn } of log.turns) {
    const { position, subject } = message
    const say = (rule: string, what: string) => violations.push({ rule, what: `${subject}: ${what}`, position })
    if (position <= lastPosition) say('I5', `position ${position} after ${lastPosition}`)
    lastPosition = position
    // Of any subject: who writes in a log of the next incarnation has heard of it.
    if (turn.incarnation < incarnation) say('P12', `a turn of incarnation ${turn.incarnation} after one of ${incarnation}`)
    incarnation = Math.max(incarnation, turn.incarnation)
    const tail = tails.get(subject)
    if (tail === undefined) {
      if (turn.number === 1 && turn.previous !== firstDigest) say('I4', 'the first turn names a turn before it')
    } else {
      if (turn.number !== tail.number + 1) say('I4', `number ${turn.number} after ${tail.number}`)
      if (turn.previous !== tail.digest) say('I4', `turn ${turn.number} does not hold the digest of the turn before it`)
      if (turn.timeMs < tail.timeMs) say('I6', `time ${turn.timeMs} after ${tail.timeMs}`)
    }
    tails.set(subject, { number: turn.number, digest: digestOf(message.bytes), timeMs: turn.timeMs })
  }
  return violations
}

/** Turn ids stand once; a command leads once to each of its kinds of events (a group's parts come under one command). */
function checkIds(log: ReadLog): Violation[] {
  const violations: Violation[] = []
  const turnIds = new Map<string, number>()
  const commands = new Map<string, number>()
  const withdrawn = new Map<string, number>()
  for (const { message, turn } of log.turns) {
    const { position } = message
    const before = turnIds.get(turn.turn)
    if (before !== undefined) violations.push({ rule: 'I5', what: `turn ${turn.turn} stands at ${before} and again`, position })
    turnIds.set(turn.turn, position)
    for (const commit of turn.commits) {
      for (const event of commit.events) if (event.type === 'CommandWithdrawn') withdrawn.set((event.data as { readonly command: string }).command, position)
      if (commit.command === undefined) continue
      const gone = withdrawn.get(commit.command)
      if (gone !== undefined && commit.aggregate !== 'lane') violations.push({ rule: 'I3/P15', what: `command ${commit.command} was carried out, though withdrawn at ${gone}`, position })
      const first = commit.events[0]
      const part = first?.type === 'JobsAdded' ? (first.data as { readonly part: number }).part : ''
      const key = `${commit.command} ${first?.type ?? ''}${part}`
      const earlier = commands.get(key)
      if (earlier !== undefined) violations.push({ rule: 'I3/P15', what: `command ${key} was carried out at ${earlier} and again`, position })
      commands.set(key, position)
    }
  }
  return violations
}

function checkRevisions(log: ReadLog): Violation[] {
  const violations: Violation[] = []
  const revisions = new Map<string, number>()
  for (const { message, turn } of log.turns) {
    for (const { aggregate, id, revision, events } of turn.commits) {
      const key = `${aggregate} ${id}`
      const last = revisions.get(key)
      if (last !== undefined && revision !== last + 1) {
        violations.push({ rule: 'I6', what: `${key} has revision ${revision} after ${last}`, position: message.position })
      }
      revisions.set(key, revision + events.length - 1)
    }
  }
  return violations
}

/** Between a `LaneTaken` and the next, only who appended it writes; after a `LaneReleased` nobody but the next taker. */
function checkHolders(log: ReadLog, writers: ReadonlyMap<string, string> | undefined): Violation[] {
  const violations: Violation[] = []
  const holders = new Map<string, { readonly instance: string; readonly writer: string | undefined } | 'nobody'>()
  for (const stored of log.turns) {
    if (stored.lane === undefined) continue
    const { message, turn } = stored
    const say = (what: string) => violations.push({ rule: 'I4', what: `lane ${stored.lane}, turn ${turn.number}: ${what}`, position: message.position })
    const writer = writers?.get(turn.turn)
    const taken = laneEvent(stored, 'LaneTaken')
    const released = laneEvent(stored, 'LaneReleased')
    const holder = holders.get(stored.lane) ?? (turn.number === 1 ? 'nobody' : undefined)
    if (taken !== undefined) {
      holders.set(stored.lane, { instance: taken.instance, writer })
      if (turn.commits[0]?.events[0]?.type !== 'LaneTaken') say('LaneTaken is not the first event of its turn')
    } else if (holder === 'nobody') {
      say('was written while nobody held the lane')
    } else if (holder !== undefined && holder.writer !== undefined && writer !== holder.writer) {
      say(`was written by ${writer} while ${holder.writer} held the lane`)
    }
    if (released !== undefined) {
      if (holder !== undefined && holder !== 'nobody' && released.instance !== holder.instance) say(`releases what ${holder.instance} held, as ${released.instance}`)
      holders.set(stored.lane, 'nobody')
    }
  }
  return violations
}

function laneEvent({ turn }: StoredTurn, type: string): { readonly agent: string; readonly instance: string } | undefined {
  for (const { aggregate, events } of turn.commits) {
    if (aggregate !== 'lane') continue
    const event = events.find((candidate) => candidate.type === type)
    if (event !== undefined) return event.data as { readonly agent: string; readonly instance: string }
  }
  return undefined
}
