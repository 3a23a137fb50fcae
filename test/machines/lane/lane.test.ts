/** A lane, folded: holder, known commands (P15), epochs (P27), and what stops a writer (P11). */
import { describe, expect, it } from 'vitest'
import { archiveLane, judgeCommand, refuseCommand, releaseLane, takeLane, withdrawCommand } from '../../../machines/lane/decide.ts'
import { type LaneEvent } from '../../../machines/lane/machine.ts'
import { type FoldableCommit, type LaneState, emptyLane, foldCommit, foldTurn, stopsWriter } from '../../../machines/lane/state.ts'
import { defaultConstants } from '../../../machines/realm/realm.ts'
import { specification } from '../../support/decider-specification.ts'
import { added, granted, groupName, opened, ready, sealed, spec } from '../../support/group-events.ts'

const startMs = 1_700_000_000_000
const hourMs = 3_600_000
const taken = (agent: string): LaneEvent => ({ type: 'LaneTaken', data: { agent, instance: `${agent}-i` } })
const released = (agent: string): LaneEvent => ({ type: 'LaneReleased', data: { agent, instance: `${agent}-i` } })
const withdrawn = (command: string): LaneEvent => ({ type: 'CommandWithdrawn', data: { command } })
const refusedEvent = (command: string): LaneEvent => ({ type: 'CommandRefused', data: { command, group: groupName, code: 'wrong-state', text: 'no' } })

function laneCommit(lane: LaneState, event: LaneEvent, more: Partial<FoldableCommit> = {}): FoldableCommit {
  return { aggregate: 'lane', id: lane.lane, revision: lane.revision + 1, events: [event], ...more }
}
function groupCommit(lane: LaneState, events: FoldableCommit['events'], more: Partial<FoldableCommit> = {}): FoldableCommit {
  return { aggregate: 'group', id: groupName, revision: (lane.groups.get(groupName)?.revision ?? 0) + 1, events, ...more }
}
function turn(lane: LaneState, timeMs: number, ...commits: FoldableCommit[]): void {
  foldTurn(lane, { incarnation: 1, number: lane.number + 1, timeMs, commits })
}

const given = specification<LaneState, LaneEvent>({
  empty: () => emptyLane('east-1'),
  fold: (lane, event) => foldCommit(lane, laneCommit(lane, event), { incarnation: 1, timeMs: startMs }),
  fault: (lane) => stopsWriter(lane),
})

describe('decide', () => {
  it('a lane is taken when free, and from another (P1)', () => {
    given().when((lane) => takeLane(lane, 'a1', 'a1-i')).then(taken('a1')).when((lane) => takeLane(lane, 'a2', 'a2-i')).then(taken('a2'))
  })
  it('is not taken by who cannot fold it (P1, P11)', () => {
    given({ type: 'LanePainted', data: {} } as unknown as LaneEvent).when((lane) => takeLane(lane, 'a1', 'a1-i')).thenRefused('wrong-state')
    given(released('a1')).when((lane) => takeLane(lane, 'a1', 'a1-i')).thenRefused('wrong-state')
  })
  it('is released by its holder alone, with the reason where there is one', () => {
    given(taken('a1')).when((lane) => releaseLane(lane, 'a1', 'a1-i')).then(released('a1')).when((lane) => releaseLane(lane, 'a1', 'a1-i')).thenNothing()
    given(taken('a1'), taken('a2')).when((lane) => releaseLane(lane, 'a1', 'a1-i')).thenNothing()
    const reason = { code: 'cannot-fold', text: 'too large' }
    given(taken('a1')).when((lane) => releaseLane(lane, 'a1', 'a1-i', reason)).then({ type: 'LaneReleased', data: { agent: 'a1', instance: 'a1-i', reason } })
  })
  it('a part before its last turn is archived; files follow on one another, and begin anew in another incarnation', () => {
    const digest = 'd'.repeat(64)
    const archive = (from: number, number: number, file = digest) => ({ from, number, turn: digest, file, snapshot: digest })
    const archived = (from: number, number: number): LaneEvent => ({ type: 'LaneArchived', data: archive(from, number) })
    const at = (number: number) => (lane: LaneState) => ({ ...lane, number })
    given(taken('a1')).when((lane) => archiveLane(at(9)(lane), archive(1, 8), 1)).then(archived(1, 8))
    given(taken('a1')).when((lane) => archiveLane(at(9)(lane), archive(1, 9), 1)).thenRefused('malformed')
    given(taken('a1')).when((lane) => archiveLane(at(9)(lane), archive(2, 8), 1)).thenRefused('stale')
    given(taken('a1'), archived(1, 5)).when((lane) => archiveLane(at(9)(lane), archive(1, 5), 1)).thenNothing()
    given(taken('a1'), archived(1, 5)).when((lane) => archiveLane(at(9)(lane), archive(1, 5, 'e'.repeat(64)), 1)).thenRefused('stale')
    given(taken('a1'), archived(1, 5)).when((lane) => archiveLane(at(9)(lane), archive(6, 8), 1)).then(archived(6, 8))
    given(taken('a1'), archived(1, 5)).when((lane) => archiveLane(at(9)(lane), archive(7, 8), 1)).thenRefused('stale')
    given(taken('a1'), archived(1, 5)).when((lane) => archiveLane(at(9)(lane), archive(1, 4), 1)).thenRefused('stale')
    given(taken('a1'), archived(1, 5)).when((lane) => archiveLane(at(9)(lane), archive(1, 7), 1)).thenRefused('stale')
    // After an import, which brought all turns back, it begins anew, wherever it ended before.
    for (const number of [4, 5, 7]) given(taken('a1'), archived(1, 5)).when((lane) => archiveLane(at(9)(lane), archive(1, number), 2)).then(archived(1, number))
    given(taken('a1'), archived(1, 5)).when((lane) => archiveLane(at(9)(lane), archive(6, 8), 2)).thenRefused('stale')
    given(taken('a1'), archived(1, 5)).when((lane) => archiveLane(at(9)(lane), archive(6, 5), 1)).thenRefused('malformed')
  })
  it('only who holds it records an archive: elsewhere it is a fault', () => {
    const digest = 'd'.repeat(64)
    const lane = emptyLane('east-1')
    foldCommit(lane, laneCommit(lane, { type: 'LaneArchived', data: { from: 1, number: 1, turn: digest, file: digest, snapshot: digest } }), { incarnation: 1, timeMs: startMs })
    expect(lane.fault).toMatchObject({ type: 'broken-life-cycle' })
  })
  it('a command is withdrawn, or refused, once; one that is known keeps its first answer (P15)', () => {
    given(taken('a1')).when((lane) => withdrawCommand(lane, 'C1')).then(withdrawn('C1')).when((lane) => withdrawCommand(lane, 'C1')).thenNothing()
    given(taken('a1')).when((lane) => refuseCommand(lane, 'C1', groupName, { code: 'wrong-state', text: 'no' })).then(refusedEvent('C1'))
      .when((lane) => withdrawCommand(lane, 'C1')).thenNothing()
    given(taken('a1'), withdrawn('C1')).when((lane) => refuseCommand(lane, 'C1', groupName, { code: 'wrong-state', text: 'no' })).thenNothing()
  })
})

describe('commands (P15)', () => {
  const judge = (lane: LaneState, command: string, idTimeMs: number, nowMs: number) => judgeCommand(lane, command, idTimeMs, nowMs, defaultConstants)
  function held(): LaneState {
    const lane = emptyLane('east-1')
    turn(lane, startMs, laneCommit(lane, taken('a1')))
    return lane
  }
  it('is known under the commit that it led to, the first of them', () => {
    const lane = held()
    turn(lane, startMs, groupCommit(lane, [opened()], { command: 'C1' }))
    turn(lane, startMs + 5, groupCommit(lane, [added(1, spec, spec, spec)], { command: 'C1' }))
    turn(lane, startMs + 6, groupCommit(lane, [sealed], { command: 'C1' }))
    expect(lane.commands.get('C1')).toEqual({ aggregate: 'group', id: groupName, revision: 1, atMs: startMs, withdrawn: false })
    expect(judge(lane, 'C1', startMs, startMs + 9)).toMatchObject({ kind: 'known', known: { revision: 1 } })
    expect(stopsWriter(lane)).toBeUndefined()
  })
  it('the withdrawn command is the one that the event names, not the one that withdrew it', () => {
    const lane = held()
    turn(lane, startMs, laneCommit(lane, withdrawn('C1'), { command: 'C2' }))
    expect(lane.commands.get('C1')?.withdrawn).toBe(true)
    expect(lane.commands.get('C2')?.withdrawn).toBe(false)
    turn(lane, startMs, laneCommit(lane, withdrawn('C3'), { command: 'C3' }))
    expect(lane.commands.get('C3')?.withdrawn).toBe(true)
  })
  it('a refusal is given again', () => {
    const lane = held()
    turn(lane, startMs, laneCommit(lane, refusedEvent('C1'), { command: 'C1' }))
    expect(judge(lane, 'C1', startMs, startMs)).toMatchObject({ kind: 'known', known: { withdrawn: false, refused: { code: 'wrong-state', text: 'no' } } })
  })
  it('refuses what is too old and what is too far ahead, at the millisecond', () => {
    const lane = held()
    const { commandMemoryMs, clockSkewMs } = defaultConstants
    expect(judge(lane, 'C', startMs, startMs + commandMemoryMs).kind).toBe('new')
    expect(judge(lane, 'C', startMs, startMs + commandMemoryMs + 1)).toMatchObject({ kind: 'refused', refusal: { code: 'too-old' } })
    expect(judge(lane, 'C', startMs + clockSkewMs, startMs).kind).toBe('new')
    expect(judge(lane, 'C', startMs + clockSkewMs + 1, startMs)).toMatchObject({ kind: 'refused', refusal: { code: 'too-far-ahead' } })
  })
  it.each([defaultConstants, { ...defaultConstants, commandMemoryMs: 10 * 24 * hourMs }])('is never forgotten before it is refused as too old: %o', (constants) => {
    const lane = emptyLane('east-1', constants)
    turn(lane, startMs, laneCommit(lane, taken('a1')))
    // Its id says a time ahead of the turn's clock.
    const idTimeMs = startMs + constants.clockSkewMs
    turn(lane, startMs, groupCommit(lane, [opened()], { command: 'C1' }))
    for (let nowMs = startMs; nowMs < startMs + constants.commandMemoryMs + 4 * hourMs; nowMs += hourMs) {
      turn(lane, nowMs)
      expect(judgeCommand(lane, 'C1', idTimeMs, nowMs, constants).kind).not.toBe('new')
    }
    const last = startMs + constants.commandMemoryMs + constants.clockSkewMs
    turn(lane, Math.max(lane.timeMs, last))
    turn(lane, lane.timeMs + 1)
    expect(lane.commands.size).toBe(0)
  })
})

describe('fold', () => {
  it('the holder is what the last LaneTaken says; epochs never fall (P27)', () => {
    const lane = emptyLane('east-1')
    turn(lane, startMs, laneCommit(lane, taken('a1'), { epoch: 3 }))
    turn(lane, startMs + 1, laneCommit(lane, taken('a2'), { epoch: 2 }))
    expect(lane).toMatchObject({ phase: 'held', holder: { agent: 'a2' }, epoch: 3, number: 2, timeMs: startMs + 1, revision: 2 })
    turn(lane, startMs + 2, laneCommit(lane, released('a2')))
    expect(lane).toMatchObject({ phase: 'free', holder: null })
  })
  it('a turn may hold no commit (P4)', () => {
    const lane = emptyLane('east-1')
    turn(lane, startMs)
    expect(lane).toMatchObject({ number: 1, fault: null })
  })
  it('a faulted group does not stop its lane', () => {
    const lane = emptyLane('east-1')
    turn(lane, startMs, laneCommit(lane, taken('a1')), groupCommit(lane, [...ready(), granted([[2, 2]])]))
    expect(lane.groups.get(groupName)?.phase).toBe('faulted')
    expect(stopsWriter(lane)).toBeUndefined()
  })
  it('a type that it does not know stops a writer: of a group, of the lane, or an aggregate', () => {
    const cases: ((lane: LaneState) => FoldableCommit)[] = [
      (lane) => groupCommit(lane, [...ready(), { type: 'GroupTeleported', data: {} }]),
      // Also behind another fault.
      (lane) => groupCommit(lane, [...ready(), granted([[2, 2]]), { type: 'GroupTeleported', data: {} }]),
      (lane) => laneCommit(lane, { type: 'LanePainted', data: {} } as unknown as LaneEvent),
      () => ({ aggregate: 'flock', id: 'x', revision: 1, events: [{ type: 'FlockSeen', data: {} }] }),
    ]
    for (const make of cases) {
      const lane = emptyLane('east-1')
      turn(lane, startMs, make(lane))
      expect(stopsWriter(lane)).toMatch(/which this build does not know/)
    }
  })
  it('a turn or a commit that does not follow stops a writer; the first fault stays', () => {
    const lost = emptyLane('east-1')
    foldTurn(lost, { incarnation: 1, number: 2, timeMs: startMs, commits: [] })
    expect(lost.fault).toMatchObject({ type: 'broken-number', number: 2 })
    const gap = emptyLane('east-1')
    turn(gap, startMs, laneCommit(gap, taken('a1'), { revision: 2 }))
    expect(gap).toMatchObject({ revision: 2, fault: { type: 'broken-revision' } })
    turn(gap, startMs, laneCommit(gap, released('a1')))
    turn(gap, startMs, laneCommit(gap, released('a1')))
    expect(gap.fault?.type).toBe('broken-revision')
    expect(stopsWriter(gap)).toMatch(/broken-revision/)
  })
  it('a group whose commit was lost is faulted, the lane goes on', () => {
    const lane = emptyLane('east-1')
    turn(lane, startMs, groupCommit(lane, ready()))
    turn(lane, startMs, groupCommit(lane, [granted([[1, 1]])], { revision: 6 }))
    expect(lane.groups.get(groupName)).toMatchObject({ phase: 'faulted', fault: { type: 'broken-revision' } })
    expect(lane.fault).toBeNull()
  })
})
