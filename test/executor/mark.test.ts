/** The mark of an executor (P21): a token starts a job once, however often and however late its grant arrives. Over memory ports, in virtual time. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { formatVersion } from '../../machines/realm/realm.ts'
import type { Executing } from '../../src/agent/context.ts'
import { noLanes, startExecutor } from '../../src/executor/executor.ts'
import { drillAdapter } from '../../src/sites/drill/adapter.ts'
import type { SiteCall, SiteResult } from '../../src/sites/adapter.ts'
import type { AbortAnswer, AbortRequest } from '../../streams/agent-messages.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import type { GrantMessage, GrantRef, GrantsMessage, WorkRequest } from '../../streams/lane-protocol.ts'
import { Stage, lane, subjects } from '../lane/stage.ts'

const callMs = 100
const spec: JobSpec = { site: 'site-1', service: 's1', operation: { name: 'rehearse' }, repeatable: true }
let stage: Stage
let executor: Executing
let calls: SiteCall[]
/** Given back, as a holder heard it. */
let stopped: GrantRef[]
/** Whether the holder answers. */
let acknowledges: boolean
let settled: boolean
/** Of calls; by default they are done after `callMs`. */
let ending: (call: SiteCall) => Promise<SiteResult>

beforeEach(async () => {
  stage = new Stage()
  await stage.found()
  calls = []
  stopped = []
  acknowledges = true
  settled = false
  ending = () => new Promise((resolve) => stage.clock.after(callMs, () => resolve({ kind: 'done' })))
  const { clock, dice, state } = stage
  const coordinator = stage.realm.connect({ name: 'e', clock })
  const connection = {
    ...drillAdapter.connect({ site: 'site-1', kind: 'drill', address: 'drill://', region: 'here' }),
    carryOut: (call: SiteCall) => {
      calls.push(call)
      return ending(call)
    },
  }
  let becomes!: (instance: string, former: string) => void
  const presence = { instance: 'e-0', acknowledged: true, mayStartCall: () => true, onNewInstance: (listener: typeof becomes) => ((becomes = listener), () => {}) }
  executor = startExecutor(
    { agent: 'e', role: 'skilled', region: 'here', skills: [], build: 'test', coordinator, subjects, clock, random: dice, constants: state.constants, realm: { state, onChange: () => () => {} }, newestFormat: formatVersion, logger: { debug() {}, info() {}, warn() {}, error() {} } },
    presence,
    { connection: () => connection },
    noLanes,
  )
  // The process goes on as a new instance (P17).
  presence.instance = 'e-1'
  becomes('e-1', 'e-0')
  // A holder that takes note of everything.
  stage.asker.bus.subscribe(subjects.toLane(lane, 'work'), (message) => {
    const request = fromBytes<WorkRequest>(message.data)
    stopped.push(...request.stopped)
    settled = request.outcomes.length + request.stopped.length === 0
    if (acknowledges) message.answer(toBytes({ kind: 'taken', number: 1, queued: 0, grants: [], stops: [] }))
  })
})
afterEach(async () => {
  executor.abandon()
  await stage.end()
})

const grantOf = (grant: number, more: Partial<GrantMessage> = {}): GrantMessage => ({ group: 'here-1-G', grant, agent: 'e', instance: 'e-1', incarnation: 1, callDeadlineMs: 2_000, jobs: [{ job: 1, spec }], ...more })
async function say(...grants: GrantMessage[]): Promise<void> {
  const message: GrantsMessage = { lane, incarnation: 1, number: 1, grants, stops: [] }
  stage.asker.bus.publish(subjects.toAgent('e', 'grants'), toBytes(message))
  await stage.pass(1)
}
/** The leader has had no word of it (I9). */
async function abort(grant: number, instance = 'e-1', epoch = 1): Promise<AbortAnswer['kind'] | 'no answer'> {
  const request: AbortRequest = { group: 'here-1-G', grant, instance, epoch }
  const asked = await stage.drive(stage.asker.bus.ask(subjects.toAgent('e', 'abort'), toBytes(request), { timeoutMs: 20 }))
  return asked.kind === 'answer' ? fromBytes<AbortAnswer>(asked.data).kind : 'no answer'
}
const tokens = () => calls.map(({ token }) => token.revision)

describe('P21', () => {
  test('a grant that arrives twice, while its call runs and after it has ended, starts its job once', async () => {
    await say(grantOf(5))
    await say(grantOf(5), grantOf(5))
    expect(tokens()).toEqual([5])
    await stage.until('the end of the call', () => executor.load.held === 0)
    await say(grantOf(5))
    await stage.pass(callMs)
    expect(tokens()).toEqual([5])
  })

  test('a late grant with a lower token starts nothing; one with a higher token does', async () => {
    await say(grantOf(5))
    await stage.until('the end of the call', () => executor.load.held === 0)
    await say(grantOf(4))
    await say(grantOf(9))
    await say(grantOf(8))
    expect(tokens()).toEqual([5, 9])
  })

  test('a token that was given up stays so, and is given back again when it comes again', async () => {
    await say(grantOf(5, { instance: 'e-0' }))
    await say(grantOf(5))
    await stage.pass(callMs)
    expect(calls).toEqual([])
    expect(stopped).toContainEqual({ group: 'here-1-G', grant: 5 })
    expect(stopped.length).toBeGreaterThan(1)
    await say(grantOf(6))
    expect(tokens()).toEqual([6])
  })

  test('without order the mark is of each job, and so are the scopes of tokens (P22): a lower token of another job starts it, and many run at once', async () => {
    const of = (grant: number, job: number, more: Partial<GrantMessage> = {}) => grantOf(grant, { unordered: true, jobs: [{ job, spec }], ...more })
    await say(of(9, 1), of(8, 2), of(9, 1), of(10, 3))
    expect(tokens()).toEqual([9, 8, 10])
    expect(executor.load.held).toBe(3)
    await say(of(7, 1), of(9, 1))
    await stage.until('the end of the calls', () => executor.load.held === 0)
    await say(of(7, 1), of(8, 2), of(11, 2))
    expect(calls.map(({ token, idempotencyKey }) => `${token.scope} ${token.revision} ${idempotencyKey}`)).toEqual([
      'here-1-G/1 9 here-1-G/1', 'here-1-G/2 8 here-1-G/2', 'here-1-G/3 10 here-1-G/3', 'here-1-G/2 11 here-1-G/2',
    ])
  })

  test('without order a token that was given up before its grant came starts nothing (P19), and holds up no other of the group', async () => {
    const asked = await stage.drive(stage.asker.bus.ask(subjects.toAgent('e', 'abort'), toBytes({ group: 'here-1-G', grant: 7, instance: 'e-1', epoch: 1 }), { timeoutMs: 1_000 }))
    expect(asked.kind === 'answer' ? fromBytes(asked.data) : asked).toEqual({ kind: 'stopped' })
    await say(grantOf(7, { unordered: true, jobs: [{ job: 1, spec }] }), grantOf(6, { unordered: true, jobs: [{ job: 2, spec }] }))
    expect(tokens()).toEqual([6])
    expect(stopped).toContainEqual({ group: 'here-1-G', grant: 7 })
  })

  test('without order a retry has the mark and the scope of the job that it goes back to; a later grant of a job ends what is held of it', async () => {
    const retry = { unordered: true as const, jobs: [{ job: 6, spec, chain: 2 }] }
    await say(grantOf(5, { unordered: true, jobs: [{ job: 2, spec }, { job: 3, spec }] }))
    await say(grantOf(8, retry))
    expect(calls.map(({ token, signal }) => [token.scope, token.revision, signal.aborted])).toEqual([['here-1-G/2', 5, true], ['here-1-G/2', 8, false]])
    await say(grantOf(7, retry))
    await stage.until('the end of the calls', () => executor.load.held === 0)
    // What was aborted says that no call of it runs any more, or what came of it; job 3 of that grant was not begun.
    expect(calls).toHaveLength(2)
  })

  test('what is at hand is known, however many marks were raised since: what runs, and what nobody has acknowledged, is not begun again', async () => {
    // More than are remembered, of a group that this executor has nothing else to do with.
    const flood = (grant: number) => grantOf(grant, { group: 'here-1-F', instance: 'e-0', unordered: true, jobs: Array.from({ length: 400_001 }, (_, index) => ({ job: index + 1, spec })) })
    acknowledges = false
    await say(grantOf(5))
    await say(flood(1))
    await say(grantOf(5))
    expect(tokens()).toEqual([5])
    await stage.until('the end of the call', () => executor.load.held === 0)
    await say(grantOf(5), grantOf(6, { instance: 'e-0' }))
    await say(flood(2))
    await say(grantOf(5), grantOf(6))
    expect(tokens()).toEqual([5])
    acknowledges = true
    await stage.until('all is acknowledged', () => settled)
  })

  test('the mark is of one group: the same token of another group starts its job', async () => {
    await say(grantOf(5))
    await say(grantOf(5, { group: 'here-1-H' }))
    expect(calls.map(({ token }) => token.scope)).toEqual(['here-1-G', 'here-1-H'])
  })
})

describe('P20: beside another process of the same agent, which has not exited yet', () => {
  const theirs = (grant: number, more: Partial<GrantMessage> = {}) => grantOf(grant, { instance: 'x-1', ...more })

  test.each([true, false])('of a grant that names an instance of the other one nothing is said, however often it comes: a call of it may run there (P19; order: %s)', async (ordered) => {
    const more: Partial<GrantMessage> = ordered ? {} : { unordered: true }
    await say(theirs(5, more))
    await say(theirs(5, more), theirs(5, more))
    await stage.pass(3_000)
    expect(calls).toEqual([])
    expect(stopped).toEqual([])
    expect(executor.load.held).toBe(0)
  })

  test('a higher token shows that what this process holds of the group is closed (I1, P21): its call is aborted; what it is granted after that runs', async () => {
    await say(grantOf(5), theirs(7))
    expect(calls.map(({ token, signal }) => [token.revision, signal.aborted])).toEqual([[5, true]])
    await stage.until('the end of the call', () => executor.load.held === 0)
    await say(theirs(8), grantOf(9))
    await stage.until('the end of the call', () => executor.load.held === 0)
    await say(theirs(8), grantOf(6), grantOf(5))
    await stage.pass(3_000)
    expect(tokens()).toEqual([5, 9])
    expect(stopped.filter(({ grant }) => grant === 7 || grant === 8)).toEqual([])
  })

  test('a grant to a former instance of this very process is its own: it gives that back (P17)', async () => {
    await say(grantOf(5, { instance: 'e-0' }))
    expect(stopped).toEqual([{ group: 'here-1-G', grant: 5 }])
  })
})

describe('P19: asked to abort a grant', () => {
  test('whose call runs: it says so until that has ended; then it stopped, and what is known is offered all the same', async () => {
    await say(grantOf(5))
    expect(await abort(5)).toBe('running')
    await stage.until('the end of the call', () => executor.load.held === 0)
    expect(await abort(5)).toBe('stopped')
    expect(tokens()).toEqual([5])
  })

  test('that never arrived: it stopped, gives it back, and starts nothing when it arrives after all', async () => {
    expect(await abort(5)).toBe('stopped')
    await say(grantOf(5))
    await stage.pass(callMs)
    expect(calls).toEqual([])
    expect(stopped).toContainEqual({ group: 'here-1-G', grant: 5 })
    await say(grantOf(6))
    expect(tokens()).toEqual([6])
  })

  test('of another process: it says nothing, since that one may be in the middle of a call', async () => {
    expect(await abort(5, 'x-1')).toBe('no answer')
    await say(grantOf(5))
    expect(tokens()).toEqual([5])
  })

  test('by a leader whose epoch is known to be over: it says nothing, and goes on (P27)', async () => {
    stage.state.leader = { agent: 'l', instance: 'l-1', epoch: 3 }
    await say(grantOf(5))
    expect(await abort(5, 'e-1', 2)).toBe('no answer')
    expect(calls[0]!.signal.aborted).toBe(false)
    expect(await abort(5, 'e-1', 3)).toBe('running')
    expect(calls[0]!.signal.aborted).toBe(true)
  })

  test('while a later one of its group is held: that one goes on', async () => {
    await say(grantOf(6))
    expect(await abort(5)).toBe('stopped')
    await stage.until('the end of the call', () => executor.load.held === 0)
    expect(await abort(7)).toBe('stopped')
    expect(tokens()).toEqual([6])
  })

  test.each([true, false])('whose call came back as unknown when it was aborted (job repeatable: %s): what may be done again is given back only when the time of the call is over (P23)', async (repeatable) => {
    ending = ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'unknown', reason: 'aborted' })))
    await say(grantOf(5, { jobs: [{ job: 1, spec: { ...spec, repeatable } }, { job: 2, spec }] }))
    await stage.pass(1_000)
    expect(await abort(5)).toBe('running')
    await stage.pass(900)
    expect(calls[0]!.signal.aborted).toBe(true)
    if (repeatable) {
      expect([await abort(5), executor.load.held, stopped]).toEqual(['running', 1, []])
      await stage.pass(100)
      expect([await abort(5), executor.load.held]).toEqual(['stopped', 0])
      expect(stopped).toContainEqual({ group: 'here-1-G', grant: 5 })
    } else {
      // Never done again by itself: it is unknown, which needs no wait.
      expect(executor.load.held).toBe(0)
    }
    expect(tokens()).toEqual([5])
  })

  test('an executor that is abandoned waits for no call: nothing of it is left to come', async () => {
    ending = ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'unknown', reason: 'aborted' })))
    await say(grantOf(5, { callDeadlineMs: 1_000_000 }))
    const drained = executor.drain()
    executor.abandon()
    await stage.drive(drained)
    await stage.pass(10_000)
    expect(executor.load.held).toBe(0)
  })
})
