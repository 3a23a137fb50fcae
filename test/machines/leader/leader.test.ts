import { expect, it } from 'vitest'
import type { EventFromLogic } from 'xstate'
import { leaderMachine } from '../../../machines/leader/machine.ts'
import { after, run } from '../process-machine.ts'

type Signal = EventFromLogic<typeof leaderMachine>
const given = (...signals: Signal[]) => run(leaderMachine, { reconcileMs: 2_000, retryMs: 500 }, signals)
const lead: Signal = { type: 'Lead', epoch: 4 }
const collected: Signal = { type: 'Collected' }
const differs: Signal = { type: 'Compared', differs: true }
const same: Signal = { type: 'Compared', differs: false }
const placed: Signal = { type: 'Placed' }
const pushed: Signal = { type: 'Pushed' }
const changed: Signal = { type: 'Changed' }

it('does nothing before it leads', () => {
  expect(given()).toEqual({ state: 'idle', effects: [], delaysMs: [] })
  expect(given(changed)).toMatchObject({ state: 'idle', effects: [] })
})
it('collects first [604, 612]', () => expect(given(lead)).toMatchObject({ state: { leading: 'collecting' }, effects: [{ type: 'collect' }] }))
it('then compares [614]', () => expect(given(lead, collected)).toMatchObject({ state: { leading: 'comparing' }, effects: [{ type: 'compare' }] }))
it('equal: nothing to do but watch [620]', () => expect(given(lead, collected, same)).toEqual({ state: { leading: 'watching' }, effects: [], delaysMs: [2_000] }))
it('different: places [626]', () => expect(given(lead, collected, differs)).toMatchObject({ state: { leading: 'placing' }, effects: [{ type: 'place' }] }))
it('then pushes under its epoch [628]', () =>
  expect(given(lead, collected, differs, placed)).toMatchObject({ state: { leading: 'pushing' }, effects: [{ type: 'push', params: { epoch: 4 } }] }))
it('then watches', () => expect(given(lead, collected, differs, placed, pushed)).toMatchObject({ state: { leading: 'watching' }, delaysMs: [2_000] }))
it('begins again on a change', () => expect(given(lead, collected, same, changed)).toMatchObject({ state: { leading: 'collecting' }, effects: [{ type: 'collect' }] }))
it('begins again when the time is over (P27)', () =>
  expect(given(lead, collected, same, after('leading.watching', 'reconcileMs', 'leader'))).toMatchObject({ state: { leading: 'collecting' } }))
it('begins again at once when something changed during the round', () => {
  for (const round of [[lead, changed, collected, same], [lead, collected, changed, same], [lead, collected, differs, changed, placed, pushed], [lead, collected, differs, placed, changed, pushed]]) {
    expect(given(...round)).toMatchObject({ state: { leading: 'collecting' }, effects: [{ type: 'collect' }] })
  }
})
it('waits when a round failed, then collects again', () => {
  expect(given(lead, collected, { type: 'Failed' })).toEqual({ state: { leading: 'waiting' }, effects: [], delaysMs: [500] })
  expect(given(lead, { type: 'Failed' }, after('leading.waiting', 'retryMs', 'leader'))).toMatchObject({ state: { leading: 'collecting' } })
})
it('stops in every state, and leads anew under another epoch', () => {
  for (const before of [[lead], [lead, collected], [lead, collected, differs], [lead, collected, differs, placed], [lead, collected, same]]) {
    expect(given(...before, { type: 'StopLeading' })).toMatchObject({ state: 'idle', effects: [] })
  }
  expect(given(lead, { type: 'StopLeading' }, { type: 'Lead', epoch: 8 }, collected, differs, placed)).toMatchObject({ effects: [{ type: 'push', params: { epoch: 8 } }] })
})
