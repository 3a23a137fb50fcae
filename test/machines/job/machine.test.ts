/** Exactly one terminal event ends a job (I3); an unknown outcome is none. */
import { expect, it } from 'vitest'
import { type JobPhase, type JobSignal, jobTable } from '../../../machines/job/machine.ts'

const expected: Readonly<Record<JobPhase, Partial<Record<JobSignal, JobPhase>>>> = {
  pending: { Granted: 'granted', Cancelled: 'cancelled', Succeeded: 'succeeded', Failed: 'failed' },
  granted: { Succeeded: 'succeeded', Failed: 'failed', BecameUnknown: 'unknown', Returned: 'pending' },
  unknown: { Succeeded: 'succeeded', Failed: 'failed', Cancelled: 'cancelled' },
  succeeded: {},
  failed: {},
  cancelled: {},
}

it.each(Object.entries(expected))('%s', (phase, row) => {
  const found = Object.fromEntries(jobTable.events.flatMap((event) => {
    const next = jobTable.next(phase as JobPhase, event)
    return next === undefined ? [] : [[event, next]]
  }))
  expect(found).toEqual(row)
  expect(jobTable.isFinal(phase as JobPhase)).toBe(Object.keys(row).length === 0)
})

it('has no other states', () => {
  expect([...jobTable.states].sort()).toEqual(Object.keys(expected).sort())
})
