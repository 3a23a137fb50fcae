/** P13, P14, P15, P26, I8 of what was asked for through a service: the instruction fixes lane and plan, and what was answered is so. */
import type { GroupEvent, JobSpec } from '../../machines/execution-group/events.ts'
import type { InstructionEvent } from '../../machines/instruction/instruction.ts'
import { canonicalBytes, digestOf } from '../../streams/codec.ts'
import { groupId } from '../../streams/subjects.ts'
import type { ReadLog } from './read.ts'
import type { Violation } from './violation.ts'

export interface ToldChange {
  readonly command: string
  readonly group: string
  /** Set in mode `direct`. */
  readonly result: 'succeeded' | 'failed' | 'unknown' | 'cancelled' | undefined
  /** Last position of the log when the answer was heard. */
  readonly heardAt: number
}

interface Opened {
  readonly lane: string | undefined
  readonly plan: string
  readonly direct: boolean
  readonly jobs: JobSpec[]
  sealed: number | undefined
  grant: number | undefined
  /** Revisions of grants of jobs that were not handed back. */
  readonly grants: number[]
  readonly results: { readonly position: number; readonly kind: NonNullable<ToldChange['result']> }[]
}

export function checkInstructions(log: ReadLog, changes: readonly ToldChange[] = []): Violation[] {
  const violations: Violation[] = []
  const taken = new Map<string, Extract<InstructionEvent, { type: 'InstructionTaken' }>['data']>()
  const groups = new Map<string, Opened>()
  const groupOf = new Map<string, string>()
  for (const { message, turn, lane } of log.turns) {
    const { position } = message
    for (const commit of turn.commits) {
      const say = (rule: string, what: string) => violations.push({ rule, what: `${commit.aggregate} ${commit.id} r${commit.revision}: ${what}`, position })
      if (commit.aggregate === 'instruction') {
        for (const event of commit.events as readonly InstructionEvent[]) {
          if (event.type !== 'InstructionTaken') continue
          if (taken.has(commit.id)) say('P13', 'taken twice')
          taken.set(commit.id, event.data)
        }
      }
      if (commit.aggregate !== 'group') continue
      const at = (index: number) => commit.revision + index
      ;(commit.events as readonly GroupEvent[]).forEach((event, index) => {
        const group = groups.get(commit.id)
        if (event.type === 'GroupOpened') {
          const { data } = event
          groups.set(commit.id, { lane, plan: data.plan, direct: data.mode === 'direct', jobs: [], sealed: undefined, grant: undefined, grants: [], results: [] })
          const { command, cause } = commit
          if (command !== undefined) {
            const former = groupOf.get(command)
            if (former !== undefined && former !== commit.id) say('P13', `command ${command} had opened group ${former} before`)
            groupOf.set(command, commit.id)
          }
          if (cause?.aggregate !== 'instruction') return
          const fixed = taken.get(cause.id)
          if (fixed === undefined) return say('P13', `opened for command ${cause.id}, which nobody has taken`)
          if (fixed.lane !== lane || groupId(fixed.lane, cause.id) !== commit.id) say('P13', `opened on ${lane}, the instruction fixes lane ${fixed.lane}`)
          if (fixed.plan !== data.plan) say('P13', `opened with plan ${data.plan}, the instruction fixes ${fixed.plan}`)
          if ((fixed.mode ?? 'jobs') !== data.mode) say('P13', `opened in mode ${data.mode}, the instruction fixes ${fixed.mode ?? 'jobs'}`)
          return
        }
        if (group === undefined) return
        switch (event.type) {
          case 'JobsAdded':
            group.jobs.push(...event.data.jobs)
            return
          case 'GroupSealed':
            group.sealed = position
            if (digestOf(canonicalBytes({ jobs: group.jobs })) !== group.plan) say('P14', 'sealed with other jobs than those of its plan')
            return
          case 'LockGranted':
            group.grant = at(index)
            // A retry is a new job.
            if (group.direct && group.grants.length > 0) say('P26', `granted anew after grant ${group.grants.at(-1)} of the same job`)
            group.grants.push(at(index))
            return
          case 'JobRetried':
            group.grants.length = 0
            return
          case 'JobSucceeded':
          case 'JobFailed':
          case 'JobUnknown':
            group.results.push({ position, kind: event.type === 'JobSucceeded' ? 'succeeded' : event.type === 'JobFailed' ? 'failed' : 'unknown' })
            return
          case 'JobResolved':
            group.results.push({ position, kind: event.data.as })
            return
          case 'JobsCancelled':
          case 'GroupCancelled':
            group.results.push({ position, kind: 'cancelled' })
            return
          default:
        }
      })
    }
  }
  const answered = new Map<string, string>()
  for (const { command, group: id, result, heardAt } of changes) {
    const say = (rule: string, what: string) => violations.push({ rule, what: `change ${command}: ${what}`, position: heardAt })
    const former = answered.get(command)
    if (former !== undefined && former !== id) say('P15', `answered with group ${id}, and with ${former} before`)
    answered.set(command, id)
    const group = groups.get(id)
    if (group?.sealed === undefined || group.sealed > heardAt) say('I8', `answered with group ${id}, which was not whole in the log by ${heardAt}`)
    else if (result !== undefined && !group.results.some(({ position, kind }) => position <= heardAt && kind === result)) say('I8', `answered that its job ${result}, which the log did not say by ${heardAt}`)
  }
  return violations
}
