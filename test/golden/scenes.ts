/** What the golden histories hold, by the format of the realm that they were recorded in. A scene is never changed; another one is added. */
import type { Outcome } from '../../machines/execution-group/decide/locks.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { beginQuarantine, endQuarantine, raiseFormat } from '../../machines/realm/decide.ts'
import type { GrantMessage } from '../../streams/lane-protocol.ts'
import { eventually } from '../support/eventually.ts'
import { type Stage, failed, jobs, start, succeeded, unknown } from './stage.ts'

export interface Scene {
  readonly name: string
  /** That it is recorded under: the newest that its log holds. */
  readonly format: number
  /** Of the realm's founding, where it rises on the way. */
  readonly founded?: number
  play(stage: Stage): Promise<void>
}

const formatOne: readonly Scene[] = [
  {
    name: 'plain',
    format: 1,
    async play(stage) {
      const one = await stage.open('one at a time', [jobs(6)])
      const two = await stage.open('in threes, by two agents', [jobs(4), jobs(5)], { window: 3, distributionFactor: 50 })
      const { revision } = stage.state(two)
      await stage.assign(one)
      await stage.do(two, { kind: 'assign', assignments: [{ first: 1, last: 6, agent: 'worker' }, { first: 7, last: 9, agent: 'other' }], ifRevision: revision }, { epoch: 1, actor: 'agent:leader' })
      await stage.work((job) => (job % 4 === 0 ? { kind: 'succeeded', already: true } : succeeded))
      await stage.hold('successor')
      await stage.work(() => succeeded, { agent: 'other' })
      await stage.open('waiting for an agent', [jobs(2)])
    },
  },
  {
    name: 'retries',
    format: 1,
    async play(stage) {
      const group = await stage.open('fails twice', [jobs(5)])
      await stage.assign(group)
      await stage.work((job) => (job === 3 ? failed('the disk is full') : succeeded))
      await stage.do(group, { kind: 'retry' }, { command: stage.newCommand() })
      await stage.work((job) => (job === 6 ? failed('the disk is full still') : succeeded))
      await stage.do(group, { kind: 'retry' }, { command: stage.newCommand() })
      await stage.work()
    },
  },
  {
    name: 'unknown',
    format: 1,
    async play(stage) {
      const settled = await stage.open('settled by a person', [jobs(4).map((spec, index) => (index === 1 ? { ...spec, repeatable: false } : spec))])
      await stage.assign(settled)
      await stage.work((job) => (job === 2 ? unknown('no answer in time') : succeeded))
      await stage.do(settled, { kind: 'resolve', job: 2, as: 'succeeded' }, { command: stage.newCommand() })
      await stage.work()
      const worse = await stage.open('settled as failed, then retried', [jobs(3)])
      await stage.assign(worse)
      await stage.work((job) => (job === 1 ? unknown('the connection broke') : succeeded))
      await stage.do(worse, { kind: 'resolve', job: 1, as: 'failed' }, { command: stage.newCommand() })
      await stage.do(worse, { kind: 'retry' }, { command: stage.newCommand() })
      await stage.work()
      const late = await stage.open('the truth came late', [jobs(2)])
      await stage.assign(late)
      const [grant] = await stage.work(() => succeeded, { steps: 0 })
      await stage.exchange({ outcomes: [{ group: late, grant: grant!.grant, job: 1, outcome: unknown('aborted') }] })
      await stage.exchange({ outcomes: [{ group: late, grant: grant!.grant, job: 1, outcome: succeeded }] })
      await stage.work()
    },
  },
  {
    name: 'cancel',
    format: 1,
    async play(stage) {
      const blocked = await stage.open('cancelled while blocked', [jobs(4)])
      await stage.assign(blocked)
      await stage.work((job) => (job === 2 ? failed('no such user') : succeeded))
      await stage.do(blocked, { kind: 'cancel' }, { command: stage.newCommand() })
      const running = await stage.open('cancelled while a job runs', [jobs(5)])
      await stage.assign(running)
      const held = await stage.work(() => succeeded, { steps: 1, capacity: 1 })
      const grants = held.length > 0 ? held : await stage.exchange({ capacity: 1 })
      const grant = grants.find(({ group }) => group === running)!
      await stage.do(running, { kind: 'cancel' }, { command: stage.newCommand() })
      await stage.exchange({ outcomes: [{ group: running, grant: grant.grant, job: grant.jobs[0]!.job, outcome: succeeded }] })
    },
  },
  {
    name: 'abandoned',
    format: 1,
    async play(stage) {
      const parts = [jobs(3), jobs(3)]
      const silent = await stage.open('its second part never came', parts, {}, false, 1)
      await eventually(() => stage.state(silent).phase === 'abandoned')
      const cancelled = await stage.open('cancelled before it was whole', parts, {}, false, 1)
      await stage.do(cancelled, { kind: 'cancel' }, { command: stage.newCommand() })
      const whole = await stage.open('whole', parts)
      await stage.assign(whole)
      await stage.work()
    },
  },
  {
    name: 'lost',
    format: 1,
    async play(stage) {
      const group = await stage.open('its executor was lost', [jobs(6)], { window: 3 })
      await stage.assign(group)
      const [grant] = await stage.work(() => succeeded, { steps: 0 })
      await stage.exchange({ outcomes: [{ group, grant: grant!.grant, job: 1, outcome: succeeded }] })
      await stage.do(group, { kind: 'expire', grant: grant!.grant }, { epoch: 2, actor: 'agent:leader' })
      await stage.exchange({ outcomes: [{ group, grant: grant!.grant, job: 2, outcome: succeeded }] })
      const [again] = await stage.work(() => succeeded, { steps: 0 })
      await stage.exchange({ stopped: [{ group, grant: again!.grant }] })
      await stage.work()
      await stage.tell(group, { kind: 'cancel' }, { command: stage.newCommand() })
      await stage.tell('here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV', { kind: 'cancel' }, { command: stage.newCommand() })
      await stage.tell(group, { kind: 'withdraw', withdrawn: stage.newCommand() }, { command: stage.newCommand() })
    },
  },
  {
    name: 'faulted',
    format: 1,
    async play(stage) {
      const group = await stage.open('two locks at once', [jobs(4)])
      const other = await stage.open('untouched', [jobs(2)])
      await stage.assign(group)
      await stage.assign(other)
      await stage.work(() => succeeded, { steps: 1, capacity: 1 })
      const lock = (job: number) => ({ type: 'LockGranted', data: { jobs: [[job, job]], agent: 'worker', instance: 'worker-1', callDeadlineMs: 10_000 } })
      const head = stage.state(group).head
      await stage.forge(group, [lock(head + 1), lock(head + 2)])
      await stage.hold('successor')
      await stage.work()
      await stage.do(group, { kind: 'cancel' }, { command: stage.newCommand() })
    },
  },
]

const after = (spec: JobSpec, ...runs: readonly (readonly [number, number])[]): JobSpec => ({ ...spec, after: runs })
const undone = (spec: JobSpec): JobSpec => ({ ...spec, compensate: { name: 'stop' } })

const formatTwo: readonly Scene[] = [
  {
    name: 'graph',
    format: 2,
    async play(stage) {
      const diamond = [start(1), after(start(2), [1, 1]), after(start(3), [1, 1]), after(start(4), [2, 3]), after(start(5), [1, 1], [4, 4])]
      const group = await stage.open('a diamond', [diamond], { order: 'graph' })
      const { revision } = stage.state(group)
      await stage.do(group, { kind: 'assign', assignments: [{ first: 1, last: 2, agent: 'worker' }, { first: 3, last: 5, agent: 'other' }], ifRevision: revision }, { epoch: 1, actor: 'agent:leader' })
      await stage.work((job) => (job === 2 ? failed('not now') : succeeded))
      await stage.do(group, { kind: 'retry' }, { command: stage.newCommand() })
      await stage.work()
      await stage.work(() => succeeded, { agent: 'other' })
    },
  },
  {
    name: 'policies',
    format: 2,
    async play(stage) {
      const on = await stage.open('goes on', [jobs(4)], { onFailure: 'continue', priority: 5 })
      await stage.assign(on)
      await stage.work((job) => (job === 2 ? failed('no such service') : succeeded))
      const back = await stage.open('undoes what it did', [jobs(4).map(undone)], { onFailure: 'compensate' })
      await stage.assign(back)
      await stage.work((job) => (job === 3 ? failed('no room') : succeeded))
      await stage.work()
    },
  },
  {
    name: 'pauses',
    format: 2,
    async play(stage) {
      const group = await stage.open('paused in the middle', [jobs(6)], { window: 3, agents: 'generic' })
      await stage.assign(group)
      const [grant] = await stage.work(() => succeeded, { steps: 0 })
      await stage.do(group, { kind: 'pause' }, { command: stage.newCommand() })
      await stage.exchange({ outcomes: [{ group, grant: grant!.grant, job: 1, outcome: succeeded }], stopped: [{ group, grant: grant!.grant }] })
      await stage.do(group, { kind: 'prioritize', priority: -20 }, { command: stage.newCommand() })
      await stage.do(group, { kind: 'resume' }, { command: stage.newCommand() })
      await stage.work()
    },
  },
  {
    name: 'unordered',
    format: 2,
    async play(stage) {
      const outcome = (grant: GrantMessage, what: Outcome) => ({ group: grant.group, grant: grant.grant, job: grant.jobs[0]!.job, outcome: what })
      const group = await stage.open('in any order', [jobs(8)], { order: 'none' })
      const { revision } = stage.state(group)
      await stage.do(group, { kind: 'assign', assignments: [{ first: 1, last: 4, agent: 'worker' }, { first: 5, last: 8, agent: 'other' }], ifRevision: revision }, { epoch: 1, actor: 'agent:leader' })
      const mine = await stage.exchange({ capacity: 3 })
      const theirs = await stage.exchange({ capacity: 4 }, 'other')
      await stage.exchange({ outcomes: [outcome(theirs[2]!, succeeded), outcome(theirs[0]!, failed('no room'))] }, 'other')
      await stage.exchange({ outcomes: [outcome(mine[1]!, succeeded), outcome(mine[0]!, unknown('aborted'))] })
      await stage.do(group, { kind: 'expire', grant: theirs[1]!.grant }, { epoch: 1, actor: 'agent:leader' })
      await stage.exchange({ outcomes: [outcome(theirs[1]!, succeeded)], stopped: [{ group, grant: theirs[3]!.grant }] }, 'other')
      await stage.exchange({ outcomes: [outcome(mine[0]!, succeeded)] })
      await stage.do(group, { kind: 'pause' }, { command: stage.newCommand() })
      await stage.do(group, { kind: 'retry' }, { command: stage.newCommand() })
      await stage.do(group, { kind: 'resume' }, { command: stage.newCommand() })
      const ended = await stage.open('goes on, two at a time', [jobs(5)], { order: 'none', onFailure: 'continue', window: 2 })
      await stage.assign(ended)
      await stage.exchange({ outcomes: [outcome(mine[2]!, failed('refused'))] })
      await stage.work((job, of) => (of === ended && job === 2 ? failed('not now') : succeeded))
      await stage.do(group, { kind: 'retry' }, { command: stage.newCommand() })
      await stage.work()
      await stage.work(() => succeeded, { agent: 'other' })
      const left = await stage.open('cancelled in the middle', [jobs(6)], { order: 'none', window: 2 })
      await stage.assign(left)
      const [first, second] = await stage.exchange({ capacity: 2 })
      await stage.exchange({ outcomes: [outcome(first!, succeeded)] })
      await stage.do(left, { kind: 'cancel' }, { command: stage.newCommand() })
      await stage.exchange({ stopped: [{ group: left, grant: first!.grant }] })
      await stage.exchange({ outcomes: [outcome(second!, failed('no such service'))] })
    },
  },
  {
    name: 'raised',
    format: 2,
    founded: 1,
    async play(stage) {
      const before = await stage.open('opened in a realm of format 1', [jobs(4)])
      await stage.assign(before)
      await stage.work((job) => (job === 2 ? failed('not yet') : succeeded))
      await stage.realm((state) => raiseFormat(state, 2))
      await stage.realm((state) => beginQuarantine(state, 'to be looked at'))
      await stage.do(before, { kind: 'retry' }, { command: stage.newCommand() })
      const after = await stage.open('opened since', [jobs(3)], { priority: 1 })
      await stage.assign(after)
      await stage.work()
      await stage.realm(endQuarantine)
      await stage.work()
    },
  },
  {
    name: 'archived',
    format: 2,
    async play(stage) {
      const before = await stage.open('ended before', [jobs(4)])
      await stage.assign(before)
      await stage.work((job) => (job === 3 ? failed('not yet') : succeeded))
      await stage.do(before, { kind: 'retry' }, { command: stage.newCommand() })
      await stage.work()
      const over = await stage.open('in the middle of it', [jobs(6)], { window: 2 })
      await stage.assign(over)
      const held = await stage.work(() => succeeded, { steps: 1 })
      const number = (await stage.turns()).length - 1
      await stage.archive(1, number)
      await stage.exchange({ outcomes: held.flatMap(({ group, grant, jobs: granted }) => granted.map(({ job }) => ({ group, grant, job, outcome: succeeded }))) })
      await stage.work()
      await stage.archive(number + 1, (await stage.turns()).length - 3)
      const after = await stage.open('opened since', [jobs(2)])
      await stage.assign(after)
      await stage.work()
    },
  },
]

export const scenes: readonly Scene[] = [...formatOne, ...formatTwo]
