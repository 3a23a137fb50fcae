/**
 * Triggers in a log: every nominal time is decided once, none is passed over, every run has one instruction and one group, and of one
 * trigger one run at a time goes on (docs/wire.md "Triggers", I3, P15).
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import type { InstructionEvent } from '../../machines/instruction/instruction.ts'
import type { TriggerTimes } from '../../machines/trigger/definition.ts'
import type { TriggerEvent } from '../../machines/trigger/events.ts'
import { nextNominalTime } from '../../src/trigger/nominal-times.ts'
import { ulidFromCause } from '../../streams/codec.ts'
import { groupId } from '../../streams/subjects.ts'
import type { ReadLog } from './read.ts'
import type { Violation } from './violation.ts'

export interface TriggerExpectations {
  /** Nothing goes wrong any more and everybody had the time: each run must have ended, and what is due up to then is decided. */
  readonly endedBy?: number
}

interface Followed {
  when: TriggerTimes | undefined
  active: boolean
  suspended: boolean
  decidedMs: number
  /** Commands of runs, in the order in which they were started. */
  readonly runs: { readonly atMs: number; readonly command: string; readonly position: number; endedWithoutGroup: boolean }[]
  readonly waiting: Set<number>
}

const ends: ReadonlySet<GroupEvent['type']> = new Set(['GroupCompleted', 'GroupCancelled', 'GroupAbandoned', 'GroupCompensated'])

export function checkTriggers(log: ReadLog, { endedBy }: TriggerExpectations = {}): Violation[] {
  const violations: Violation[] = []
  const triggers = new Map<string, Followed>()
  const instructions = new Map<string, { taken: InstructionEvent & { type: 'InstructionTaken' } } | 'refused'>()
  const groups = new Map<string, { readonly opened: number; ended: number | undefined }>()
  for (const { message, turn } of log.turns) {
    const { position } = message
    for (const commit of turn.commits) {
      const say = (rule: string, what: string) => violations.push({ rule, what: `${commit.aggregate} ${commit.id} r${commit.revision}: ${what}`, position })
      if (commit.aggregate === 'group') {
        for (const event of commit.events as readonly GroupEvent[]) {
          if (event.type === 'GroupOpened') groups.set(commit.id, { opened: position, ended: undefined })
          const group = groups.get(commit.id)
          if (ends.has(event.type) && group !== undefined) group.ended = position
        }
      } else if (commit.aggregate === 'instruction') {
        for (const event of commit.events as readonly InstructionEvent[]) {
          if (event.type === 'InstructionRefused') instructions.set(commit.id, 'refused')
          else if (event.data.trigger !== undefined) {
            instructions.set(commit.id, { taken: event as never })
            const { trigger, atMs } = event.data.trigger
            const run = triggers.get(trigger)?.runs.find((one) => one.command === commit.id)
            if (run === undefined) say('P15', `names a run of trigger ${trigger} that was never started`)
            else if (run.atMs !== atMs) say('P15', `names the nominal time ${atMs}, the run has ${run.atMs}`)
            if (commit.cause?.aggregate !== 'trigger' || commit.cause.id !== trigger) say('P15', 'its cause is not the trigger')
          }
        }
      } else if (commit.aggregate === 'trigger') {
        const followed = triggers.get(commit.id) ?? { when: undefined, active: false, suspended: false, decidedMs: 0, runs: [], waiting: new Set() }
        triggers.set(commit.id, followed)
        commit.events.forEach((event, index) => follow(followed, event as TriggerEvent, (command) => {
          const expected = ulidFromCause(turn.timeMs, { aggregate: 'trigger', id: commit.id, revision: commit.revision + index }, 0)
          if (command !== expected) say('P15', `command ${command} is not made from its cause`)
          const before = followed.runs.at(-1)
          if (before !== undefined && !hasEnded(before)) say('I1', `the run of ${before.atMs} goes on while another starts`)
        }, say, position))
      }
    }
  }
  function hasEnded(run: Followed['runs'][number]): boolean {
    if (run.endedWithoutGroup) return true
    const instruction = instructions.get(run.command)
    if (instruction === 'refused') return true
    if (instruction === undefined) return false
    return groups.get(groupId(instruction.taken.data.lane, run.command))?.ended !== undefined
  }
  if (endedBy !== undefined) {
    for (const [id, followed] of triggers) {
      const last = log.turns.at(-1)?.message.position
      const next = followed.active && followed.when !== undefined ? nextNominalTime(followed.when, followed.decidedMs) : undefined
      if (next !== undefined && next <= endedBy) violations.push({ rule: 'I3', what: `trigger ${id}: the nominal time ${next} was never decided`, position: last })
      for (const run of followed.runs) if (!hasEnded(run)) violations.push({ rule: 'I3', what: `trigger ${id}: the run of ${run.atMs} (${run.command}) never ended`, position: last })
      if (followed.active && followed.waiting.size > 0) violations.push({ rule: 'I3', what: `trigger ${id}: ${followed.waiting.size} runs still wait`, position: last })
    }
  }
  return violations
}

function follow(followed: Followed, event: TriggerEvent, start: (command: string) => void, say: (rule: string, what: string) => void, position: number): void {
  switch (event.type) {
    case 'TriggerDefined':
      followed.when = event.data.when
      // A change of a suspended one leaves it suspended.
      followed.active ||= !followed.suspended
      followed.decidedMs = Math.max(followed.decidedMs, event.data.sinceMs)
      return
    case 'TriggerRemoved':
      followed.when = undefined
      followed.active = false
      followed.suspended = false
      followed.waiting.clear()
      return
    case 'TriggerSuspended':
      followed.active = false
      followed.suspended = true
      return
    case 'TriggerResumed':
      followed.active = true
      followed.suspended = false
      followed.decidedMs = Math.max(followed.decidedMs, event.data.sinceMs)
      return
    case 'TriggerDue': {
      const { atMs, verdict, command } = event.data
      if (followed.when === undefined) return say('I3', `the nominal time ${atMs} of what is not defined`)
      const next = nextNominalTime(followed.when, followed.decidedMs)
      if (next !== atMs) say('I3', `the nominal time ${atMs} is decided where ${next} is next`)
      followed.decidedMs = atMs
      if (verdict === 'replace') followed.waiting.clear()
      if (verdict === 'queue' || verdict === 'replace') followed.waiting.add(atMs)
      if (command === undefined) return
      start(command)
      followed.runs.push({ atMs, command, position, endedWithoutGroup: false })
      return
    }
    case 'TriggerRunStarted': {
      const { atMs, command } = event.data
      if (!followed.waiting.delete(atMs)) say('I3', `the run of ${atMs} starts, which does not wait`)
      start(command)
      followed.runs.push({ atMs, command, position, endedWithoutGroup: false })
      return
    }
    case 'TriggerReported': {
      const run = followed.runs.find((one) => one.atMs === event.data.atMs)
      if (run !== undefined && (event.data.what === 'refused' || event.data.what === 'unchanged')) run.endedWithoutGroup = true
      return
    }
  }
}
