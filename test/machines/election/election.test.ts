import { describe, expect, it } from 'vitest'
import type { EventFromLogic } from 'xstate'
import { type LeaseSeen, electionMachine } from '../../../machines/election/machine.ts'
import { after, run } from '../process-machine.ts'

type Signal = EventFromLogic<typeof electionMachine>
const input = { agent: 'me', confirmMs: 60, retryMs: 200, declareMs: 12_000, asideMs: 6_000 }
const given = (...signals: Signal[]) => run(electionMachine, input, signals)
const lease = (agent: string, revision: number): LeaseSeen => ({ agent, instance: `${agent}-1`, revision })
const held = (agent: string, revision: number): Signal => ({ type: 'LeaseHeld', lease: lease(agent, revision) })
const later = (state: string, delay: string): Signal => after(state, delay, 'election')

const campaigning: Signal[] = [{ type: 'Connected' }, { type: 'Prepared' }]
const following: Signal[] = [...campaigning, held('other', 7)]
const suspecting: Signal[] = [...following, { type: 'NoResponders' }]
const confirming: Signal[] = [...suspecting, later('suspecting', 'confirmMs')]
const takingOver: Signal[] = [...confirming, { type: 'NoResponders' }]
const elected: Signal[] = [...campaigning, { type: 'LeaseTaken', revision: 3 }]
const leading: Signal[] = [...elected, { type: 'Declared', epoch: 9 }]
const watch = (agent: string, revision: number) => ({ type: 'watchLeader', params: lease(agent, revision) })
const ping = { type: 'ping', params: lease('other', 7) }

describe('campaign', () => {
  it('does nothing before it is connected', () => expect(given()).toEqual({ state: 'offline', effects: [], delaysMs: [] }))
  it('subscribes and flushes before it campaigns', () => expect(given({ type: 'Connected' })).toMatchObject({ state: 'preparing', effects: [{ type: 'prepare' }] }))
  it('waits when the server could not be asked', () => expect(given({ type: 'Connected' }, { type: 'Unsettled' })).toEqual({ state: 'waiting', effects: [], delaysMs: [200] }))
  it('prepares again after that', () => expect(given({ type: 'Connected' }, { type: 'Unsettled' }, later('waiting', 'retryMs'))).toMatchObject({ state: 'preparing' }))
  it('creates the lease', () => expect(given(...campaigning)).toMatchObject({ state: 'campaigning', effects: [{ type: 'createLease' }] }))
  it('follows who holds it, and pings the leader that the lease names', () =>
    expect(given(...following)).toEqual({ state: 'following', effects: [watch('other', 7)], delaysMs: [] }))
  it('takes over a lease in its own name: a former process of this agent wrote it (P20)', () =>
    expect(given(...campaigning, held('me', 4))).toMatchObject({ state: 'takingOver', effects: [{ type: 'takeOver', params: { revision: 4 } }] }))
  it('reads the lease when its write has no answer', () => expect(given(...campaigning, { type: 'Unsettled' })).toMatchObject({ state: 'settling', effects: [{ type: 'readLease' }] }))
  it('reads again when the read has none', () =>
    expect(given(...campaigning, { type: 'Unsettled' }, later('settling', 'retryMs'))).toMatchObject({ state: 'settling', effects: [{ type: 'readLease' }] }))
  it('campaigns when the read finds nothing', () =>
    expect(given(...campaigning, { type: 'Unsettled' }, { type: 'LeaseGone' })).toMatchObject({ state: 'campaigning', effects: [{ type: 'createLease' }] }))
  it('goes on from its own write when the read finds it', () =>
    expect(given(...campaigning, { type: 'Unsettled' }, held('me', 3))).toMatchObject({ state: 'takingOver', effects: [{ type: 'takeOver', params: { revision: 3 } }] }))
})

describe('following', () => {
  it('campaigns when the lease is gone', () => expect(given(...following, { type: 'LeaseGone' })).toMatchObject({ state: 'campaigning' }))
  it('goes on as before when the leader renews its lease', () => expect(given(...following, held('other', 8))).toEqual({ state: 'following', effects: [], delaysMs: [] }))
  it('watches another leader instead when the lease is its', () =>
    expect(given(...following, held('third', 8))).toEqual({ state: 'following', effects: [{ type: 'stopWatching' }, watch('third', 8)], delaysMs: [] }))
  it('suspects when nobody hears', () => expect(given(...suspecting)).toEqual({ state: 'suspecting', effects: [{ type: 'stopWatching' }], delaysMs: [60] }))
  it('asks once more, not before the time is over', () => expect(given(...confirming)).toMatchObject({ state: 'confirming', effects: [ping] }))
  it('forgets the suspicion when the lease was renewed meanwhile', () => expect(given(...suspecting, held('other', 8))).toMatchObject({ state: 'following' }))
  it('keeps the suspicion when the same revision is read again', () => expect(given(...suspecting, held('other', 7))).toMatchObject({ state: 'suspecting' }))
  it('forgets it when the second ping is answered', () => expect(given(...confirming, { type: 'Answered' })).toMatchObject({ state: 'following' }))
  it('forgets it when the second ping times out', () => expect(given(...confirming, { type: 'NoAnswer' })).toMatchObject({ state: 'following' }))
  it('takes over on the last revision, not on that with which it began to follow', () =>
    expect(given(...following, held('other', 8), { type: 'NoResponders' }, later('suspecting', 'confirmMs'), { type: 'NoResponders' })).toMatchObject({
      effects: [{ type: 'takeOver', params: { revision: 8 } }],
    }))
  it('takes over on the revision that it suspected', () =>
    expect(given(...takingOver)).toMatchObject({ state: 'takingOver', effects: [{ type: 'takeOver', params: { revision: 7 } }] }))
  it('campaigns when the lease goes in the middle of it', () => expect(given(...confirming, { type: 'LeaseGone' })).toMatchObject({ state: 'campaigning' }))
})

describe('taking over', () => {
  it('is elected when the write is acknowledged', () =>
    expect(given(...takingOver, { type: 'LeaseTaken', revision: 8 })).toMatchObject({
      state: { elected: 'declaring' },
      effects: [{ type: 'keepLease', params: { revision: 8 } }, { type: 'declare' }],
    }))
  it('follows who was faster', () => expect(given(...takingOver, held('third', 8))).toMatchObject({ state: 'following' }))
  it('does not mind hearing of the lease that it is replacing', () => expect(given(...takingOver, held('other', 7))).toMatchObject({ state: 'takingOver', effects: [] }))
  it('takes its own later lease up', () =>
    expect(given(...takingOver, held('me', 9))).toMatchObject({ state: 'takingOver', effects: [{ type: 'takeOver', params: { revision: 9 } }] }))
  it('campaigns when there is nothing any more', () => expect(given(...takingOver, { type: 'LeaseGone' })).toMatchObject({ state: 'campaigning' }))
  it('reads when it has no answer', () => expect(given(...takingOver, { type: 'Unsettled' })).toMatchObject({ state: 'settling' }))
})

describe('elected', () => {
  it('keeps the lease and writes LeaderElected before it leads', () =>
    expect(given(...elected)).toMatchObject({ state: { elected: 'declaring' }, effects: [{ type: 'keepLease', params: { revision: 3 } }, { type: 'declare' }] }))
  it('declares again when the log could not be asked', () => {
    expect(given(...elected, { type: 'Unsettled' })).toEqual({ state: { elected: 'retrying' }, effects: [], delaysMs: [200] })
    expect(given(...elected, { type: 'Unsettled' }, later('elected.retrying', 'retryMs'))).toMatchObject({ effects: [{ type: 'declare' }] })
  })
  it('lets others try when the log does not take its LeaderElected for long (P7)', () => {
    const aside = [...elected, later('elected', 'declareMs')]
    expect(given(...aside)).toEqual({ state: 'aside', effects: [{ type: 'dropLease' }], delaysMs: [6_000] })
    expect(given(...aside, { type: 'LeaseGone' })).toMatchObject({ state: 'aside', effects: [] })
    expect(given(...aside, held('me', 3))).toMatchObject({ state: 'aside', effects: [] })
    expect(given(...aside, held('other', 4))).toMatchObject({ state: 'following' })
    expect(given(...aside, later('aside', 'asideMs'))).toMatchObject({ state: 'preparing', effects: [{ type: 'prepare' }] })
  })
  it('leads on whatever time has passed since', () => expect(given(...leading, later('elected', 'declareMs'))).toMatchObject({ state: { elected: 'leading' }, effects: [] }))
  it('leads with the epoch of its election', () =>
    expect(given(...leading)).toMatchObject({ state: { elected: 'leading' }, effects: [{ type: 'lead', params: { epoch: 9 } }] }))
  it('leads no longer when the lease is lost', () =>
    expect(given(...leading, { type: 'LeaseLost' })).toMatchObject({ state: 'settling', effects: [{ type: 'stopLeading' }, { type: 'dropLease' }, { type: 'readLease' }] }))
  it('leads no longer when the lease is gone', () => expect(given(...leading, { type: 'LeaseGone' })).toMatchObject({ state: 'settling' }))
  it('leads no longer when it sees another hold the lease', () =>
    expect(given(...leading, held('other', 12))).toMatchObject({ state: 'following', effects: [{ type: 'stopLeading' }, { type: 'dropLease' }, watch('other', 12)] }))
  it('does not mind its own renewals', () => expect(given(...leading, held('me', 12))).toMatchObject({ state: { elected: 'leading' }, effects: [] }))
  it('gives up when the lease is lost before it could declare', () => expect(given(...elected, { type: 'LeaseLost' })).toMatchObject({ state: 'settling', effects: [{ type: 'dropLease' }, { type: 'readLease' }] }))
})

describe('from every state', () => {
  const states: [string, Signal[]][] = Object.entries({ campaigning, following, suspecting, confirming, takingOver, elected, leading })
  it.each(states)('%s: a disconnection ends it', (_name, signals) => expect(given(...signals, { type: 'Disconnected' })).toMatchObject({ state: 'offline' }))
  it.each(states)('%s: resigning gives the lease back', (_name, signals) => {
    const outcome = given(...signals, { type: 'Resign' })
    expect(outcome.state).toBe('resigning')
    expect(outcome.effects[outcome.effects.length - 1]).toEqual({ type: 'resign' })
  })
  it('resigned is the end', () => {
    expect(given(...leading, { type: 'Resign' }, { type: 'Resigned' })).toMatchObject({ state: 'resigned' })
    expect(given({ type: 'Resign' }, { type: 'Resign' })).toMatchObject({ state: 'resigning', effects: [] })
    expect(given({ type: 'Resign' }, { type: 'Disconnected' })).toMatchObject({ state: 'resigned' })
  })
})
