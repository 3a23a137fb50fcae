import { expect, it } from 'vitest'
import type { EventFromLogic } from 'xstate'
import { presenceMachine } from '../../../machines/presence/machine.ts'
import { after, run } from '../process-machine.ts'

type Signal = EventFromLogic<typeof presenceMachine>
const given = (...signals: Signal[]) => run(presenceMachine, { presenceMs: 6_000 }, signals)
const renewed: Signal = { type: 'Renewed' }
const unsettled: Signal = { type: 'Unsettled' }
const gone: Signal = { type: 'Gone' }

it('begins by claiming its key', () => expect(given()).toEqual({ state: 'creating', effects: [{ type: 'claim' }], delaysMs: [] }))
it('is present with the first acknowledgement (P17)', () =>
  expect(given(renewed)).toEqual({ state: { present: 'sure' }, effects: [{ type: 'acknowledged' }], delaysMs: [6_000] }))
it('counts the presence time anew with each renewal', () => expect(given(renewed, renewed)).toEqual({ state: { present: 'sure' }, effects: [], delaysMs: [6_000] }))
it('is unsure when an answer does not come, and goes on counting', () => expect(given(renewed, unsettled)).toEqual({ state: { present: 'unsure' }, effects: [], delaysMs: [] }))
it('is sure again when the key was read as its own', () => expect(given(renewed, unsettled, renewed)).toMatchObject({ state: { present: 'sure' } }))
it('is lost when the key is gone', () => expect(given(renewed, gone)).toMatchObject({ state: 'lost', effects: [{ type: 'replaceInstance' }] }))
it('is lost when the key is gone and it was unsure', () => expect(given(renewed, unsettled, gone)).toMatchObject({ state: 'lost' }))
it('is lost when nothing was acknowledged for the presence time', () =>
  expect(given(renewed, unsettled, after('present', 'presenceMs', 'presence'))).toMatchObject({ state: 'lost', effects: [{ type: 'replaceInstance' }] }))
it('does not wait for an acknowledgement of a key that stands as a marker', () => expect(given(gone)).toMatchObject({ state: 'lost' }))
it('stays creating while the creation has no answer', () => expect(given(unsettled)).toMatchObject({ state: 'creating', effects: [] }))
it('claims anew as another instance; a lost one never comes back', () => {
  expect(given(renewed, gone, { type: 'Renamed' })).toMatchObject({ state: 'creating', effects: [{ type: 'claim' }] })
  expect(given(renewed, gone, renewed)).toMatchObject({ state: 'lost', effects: [] })
})
it('leaves from every state, once', () => {
  for (const before of [[], [renewed], [renewed, unsettled], [renewed, gone]]) {
    expect(given(...before, { type: 'Leave' })).toMatchObject({ state: 'leaving', effects: [{ type: 'leave' }] })
    expect(given(...before, { type: 'Leave' }, { type: 'Leave' })).toMatchObject({ state: 'leaving', effects: [] })
    expect(given(...before, { type: 'Leave' }, { type: 'Left' })).toMatchObject({ state: 'left' })
  }
})
