import { describe, expect, it } from 'vitest'
import type { EventFromLogic } from 'xstate'
import { lifeCycleMachine } from '../../../machines/agent/life-cycle.ts'
import { after, run, tagsAfter } from '../process-machine.ts'

type Signal = EventFromLogic<typeof lifeCycleMachine>
const generic = (...signals: Signal[]) => run(lifeCycleMachine, { role: 'generic', reconnectMs: 500 }, signals)
const skilled = (...signals: Signal[]) => run(lifeCycleMachine, { role: 'skilled', reconnectMs: 500 }, signals)
const [connected, disconnected, ready, waiting, empty, stop, notElected, configuration, applied] = (
  ['Connected', 'Disconnected', 'Ready', 'QueueWaiting', 'QueueEmpty', 'Stop', 'NotElected', 'ConfigurationChanged', 'ConfigurationApplied'] as const
).map((type) => ({ type })) as [Signal, Signal, Signal, Signal, Signal, Signal, Signal, Signal, Signal]
const elected: Signal = { type: 'Elected', epoch: 2 }
const nearer: Signal = { type: 'NearerFound' }
const becomes = (role: 'generic' | 'skilled'): Signal => ({ type: 'RoleChanged', role })
const running = { process: { running: { scheduler: 'running', configuration: 'watching' } } }

describe('initial [502]', () => {
  it('connects [508]', () => expect(generic()).toEqual({ state: { initial: 'connecting' }, effects: [{ type: 'connect' }], delaysMs: [] }))
  it('a generic agent takes part in the election [518]', () => expect(generic(connected)).toMatchObject({ state: 'election', effects: [{ type: 'campaign' }] }))
  it('in the role that is planned for it, which the log says [608]', () => {
    expect(generic({ type: 'Connected', role: 'skilled' })).toMatchObject({ state: { process: 'notReady' } })
    expect(skilled({ type: 'Connected', role: 'generic' })).toMatchObject({ state: 'election', effects: [{ type: 'campaign' }] })
  })
  it('a skilled agent never does', () => expect(skilled(connected)).toMatchObject({ state: { process: 'notReady' }, effects: [{ type: 'prepare' }] }))
})

describe('election [504]', () => {
  it('not elected, it goes on to the agent process', () => expect(generic(connected, notElected)).toMatchObject({ state: { process: 'notReady' }, effects: [{ type: 'prepare' }] }))
  it('elected, it leads [522]', () =>
    expect(generic(connected, elected)).toMatchObject({ state: { leading: { configuration: 'watching', jobs: 'notReady' } }, effects: [{ type: 'prepare' }] }))
  it('is elected later, from the agent process', () => expect(generic(connected, notElected, ready, elected)).toMatchObject({ state: { leading: { jobs: 'notReady' } } }))
  it('a leader that lost the lease goes to the agent process', () => expect(generic(connected, elected, notElected)).toMatchObject({ state: { process: 'notReady' } }))
})

describe('leading [524]', () => {
  it('executes only what nobody else could, and says so', () =>
    expect(generic(connected, elected, ready, waiting)).toMatchObject({ state: { leading: { jobs: 'executing' } }, effects: [{ type: 'sayLeaderExecutes' }] }))
  it('also what was in its queue when it was elected', () =>
    expect(generic(connected, notElected, ready, waiting, elected, ready)).toMatchObject({ state: { leading: { jobs: 'executing' } } }))
  it('until its queue is empty', () => expect(generic(connected, elected, ready, waiting, empty)).toMatchObject({ state: { leading: { jobs: 'none' } } }))
  it('applies a change of the configuration', () => {
    expect(generic(connected, elected, configuration)).toMatchObject({ state: { leading: { configuration: 'changing' } }, effects: [{ type: 'applyConfiguration' }] })
    expect(generic(connected, elected, configuration, applied)).toMatchObject({ state: { leading: { configuration: 'watching' } } })
  })
})

describe('it works', () => {
  const works = (role: 'generic' | 'skilled', ...signals: Signal[]) => tagsAfter(lifeCycleMachine, { role, reconnectMs: 500 }, signals).includes('works')
  it('once it is ready, with something in its queue or not', () => {
    expect(works('skilled', connected, ready)).toBe(true)
    expect(works('skilled', connected, ready, waiting)).toBe(true)
    expect(works('generic', connected, notElected, ready)).toBe(true)
  })
  it('while its configuration changes', () => expect(works('skilled', connected, ready, waiting, configuration)).toBe(true))
  it('as leader only while something is in its queue', () => {
    expect(works('generic', connected, elected, ready)).toBe(false)
    expect(works('generic', connected, elected, ready, waiting)).toBe(true)
    expect(works('generic', connected, elected, ready, waiting, empty)).toBe(false)
  })
  it('never before it is ready, whatever waits', () => {
    expect(works('skilled', waiting)).toBe(false)
    expect(works('skilled', connected, waiting)).toBe(false)
    expect(works('generic', connected, waiting)).toBe(false)
    expect(works('generic', connected, elected, waiting)).toBe(false)
    expect(works('generic', connected, notElected, ready, waiting, elected)).toBe(false)
  })
  it('no more when it is disconnected or stopping, until it is ready anew', () => {
    const again = after('disconnected', 'reconnectMs', 'agent')
    expect(works('skilled', connected, ready, waiting, disconnected)).toBe(false)
    expect(works('skilled', connected, ready, waiting, disconnected, again, connected)).toBe(false)
    expect(works('skilled', connected, ready, waiting, disconnected, again, connected, ready)).toBe(true)
    expect(works('skilled', connected, ready, waiting, stop)).toBe(false)
  })
})

describe('agent process [506]', () => {
  const inWatch = [connected, ready]
  it('is not ready until the configuration is there [528]', () => expect(skilled(connected, waiting)).toMatchObject({ state: { process: 'notReady' } }))
  it('watches its queue [530]', () => expect(skilled(...inWatch)).toMatchObject({ state: { process: 'watch' }, effects: [] }))
  it('runs when something is in its queue [532]', () => expect(skilled(...inWatch, waiting)).toMatchObject({ state: running }))
  it('runs at once when something waited for it to be ready', () => expect(skilled(connected, waiting, ready)).toMatchObject({ state: running }))
  it('watches again when the queue is empty', () => expect(skilled(...inWatch, waiting, empty)).toMatchObject({ state: { process: 'watch' } }))
  it('applies a change in watch', () => expect(skilled(...inWatch, configuration)).toMatchObject({ state: { process: 'watch' }, effects: [{ type: 'applyConfiguration' }] }))
  it('applies a change while the scheduler runs on [538, 540]', () =>
    expect(skilled(...inWatch, waiting, configuration)).toMatchObject({
      state: { process: { running: { scheduler: 'running', configuration: 'changing' } } },
      effects: [{ type: 'applyConfiguration' }],
    }))
  it('and a second one that comes meanwhile', () =>
    expect(skilled(...inWatch, waiting, configuration, configuration)).toMatchObject({ effects: [{ type: 'applyConfiguration' }] }))
  it('goes to the nearest coordinator when that is back, while nothing runs [508]', () => {
    expect(skilled(...inWatch, nearer)).toMatchObject({ state: { process: 'watch' }, effects: [{ type: 'moveNearer' }] })
    expect(skilled(...inWatch, waiting, nearer)).toMatchObject({ state: running, effects: [] })
    expect(skilled(...inWatch, waiting, nearer, empty)).toMatchObject({ state: { process: 'watch' }, effects: [{ type: 'moveNearer' }] })
  })
  it('once, and not by what it heard before a disconnection', () => {
    expect(skilled(...inWatch, nearer, configuration)).toMatchObject({ effects: [{ type: 'applyConfiguration' }] })
    expect(skilled(...inWatch, waiting, nearer, disconnected, empty, after('disconnected', 'reconnectMs', 'agent'), connected, ready)).toMatchObject({ state: { process: 'watch' }, effects: [] })
  })
  it('a leader goes there too, while it executes nothing, and takes part in the election when it is connected again', () => {
    expect(generic(connected, elected, ready, nearer)).toMatchObject({ state: { leading: { jobs: 'none' } }, effects: [{ type: 'moveNearer' }] })
    expect(generic(connected, elected, ready, waiting, nearer)).toMatchObject({ state: { leading: { jobs: 'executing' } }, effects: [] })
    expect(generic(connected, elected, ready, waiting, nearer, empty)).toMatchObject({ state: { leading: { jobs: 'none' } }, effects: [{ type: 'moveNearer' }] })
    const back: Signal[] = [disconnected, after('disconnected', 'reconnectMs', 'agent'), connected]
    expect(generic(connected, elected, ready, nearer, ...back)).toMatchObject({ state: 'election', effects: [{ type: 'campaign' }] })
    expect(generic(connected, elected, ready, nearer, ...back, elected)).toMatchObject({ state: { leading: { jobs: 'notReady' } }, effects: [{ type: 'prepare' }] })
  })
  it('then watches the configuration again', () => expect(skilled(...inWatch, waiting, configuration, applied)).toMatchObject({ state: running }))
})

const everywhere: [string, Signal[]][] = Object.entries({
  connecting: [],
  election: [connected],
  leading: [connected, elected],
  'leading and executing': [connected, elected, waiting],
  'not ready': [connected, notElected],
  watch: [connected, notElected, ready],
  running: [connected, notElected, ready, waiting],
  'configuration change': [connected, notElected, ready, waiting, configuration],
  disconnected: [disconnected],
})

describe('another role in the configuration', () => {
  it.each(everywhere.filter(([name]) => !['connecting', 'disconnected'].includes(name)))('%s: a generic agent that becomes skilled leaves the election and begins anew', (_name, signals) => {
    expect(generic(...signals, becomes('skilled'))).toMatchObject({ state: { initial: 'connecting' }, effects: [{ type: 'leaveElection' }, { type: 'connect' }] })
    expect(generic(...signals, becomes('skilled'), connected)).toMatchObject({ state: { process: 'notReady' } })
  })
  it('a skilled agent that becomes generic takes part in the election', () =>
    expect(skilled(connected, ready, becomes('generic'), connected)).toMatchObject({ state: 'election', effects: [{ type: 'campaign' }] }))
  it('the same role changes nothing', () => expect(generic(connected, notElected, ready, becomes('generic'))).toMatchObject({ state: { process: 'watch' }, effects: [] }))
  it('who stops, stops', () => expect(generic(connected, stop, becomes('skilled'))).toMatchObject({ state: 'stopping', effects: [] }))
})

describe('from every state', () => {
  it.each(everywhere)('%s: a disconnection disposes of the configuration, and it connects again after the time-out [512-516]', (name, signals) => {
    if (name !== 'disconnected') {
      expect(generic(...signals, disconnected)).toMatchObject({ state: 'disconnected', effects: [{ type: 'disposeConfiguration' }], delaysMs: [500] })
    }
    expect(generic(...signals, disconnected, after('disconnected', 'reconnectMs', 'agent'))).toMatchObject({ state: { initial: 'connecting' }, effects: [{ type: 'connect' }] })
  })
  it.each(everywhere)('%s: a stop finishes or hands back, then shuts down [536, 542]', (_name, signals) => {
    expect(generic(...signals, stop)).toMatchObject({ state: 'stopping', effects: [{ type: 'drain' }] })
    expect(generic(...signals, stop, stop)).toMatchObject({ state: 'stopping', effects: [] })
    expect(generic(...signals, stop, disconnected)).toMatchObject({ state: 'stopping', effects: [] })
    expect(generic(...signals, stop, { type: 'Drained' })).toMatchObject({ state: 'shutDown', effects: [{ type: 'shutDown' }] })
  })
})
