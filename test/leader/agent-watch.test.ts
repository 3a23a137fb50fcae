/** How often the leader asks whether the other agents are there: as soon as groups wait for one, as often as its take-over needs. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AgentWatch, agentWatchTimes } from '../../src/leader/agent-watch.ts'
import type { PresenceWatch } from '../../src/leader/presence-watch.ts'
import type { Asked, Bus } from '../../streams/ports/bus.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'

const subjects = subjectsOf('reeve')
let time: VirtualTime
let asked: string[]
let dead: Set<string>
let awaited: Set<string>
let watch: AgentWatch
let tellEnd: (agent: string) => void
let ended: boolean

beforeEach(() => {
  time = new VirtualTime()
  const clock: Clock = { nowMs: () => Math.floor(time.nowMs), monotonicMs: () => time.nowMs, after: (delayMs, task) => time.after(delayMs, task) }
  asked = []
  dead = new Set()
  awaited = new Set()
  const agents = ['g1', 'g2', 'g3'].map((agent) => ({ agent, instance: `i-${agent}`, role: 'generic', region: 'r', skills: [], build: 'b', stopping: false }))
  watch = new AgentWatch({
    bus: {
      link: 'connected',
      ask: (subject: string): Promise<Asked> => {
        const agent = agents.find((each) => subjects.toAgent(each.agent, 'ping') === subject)!.agent
        asked.push(agent)
        return Promise.resolve(dead.has(agent) ? { kind: 'no-responders' } : { kind: 'answer', data: new TextEncoder().encode('{}') })
      },
    } as unknown as Bus,
    ends: {
      show() {},
      isShown: true,
      onEnd(listener) {
        tellEnd = listener
        return { stop: () => void (ended = true) }
      },
    },
    subjects,
    clock,
    presence: { present: () => agents } as unknown as PresenceWatch,
    self: 'g1',
    awaited: () => awaited,
    onChange() {},
  })
})
afterEach(() => watch.stop())

async function passMs(durationMs: number): Promise<void> {
  const endMs = time.nowMs + durationMs
  time.after(durationMs, () => {})
  await time.run(() => time.nowMs >= endMs, { steps: 10_000, untilMs: endMs + 1 })
}

const timesAsked = async (agent: string, durationMs: number) => {
  await passMs(1)
  asked = []
  await passMs(durationMs)
  return asked.filter((each) => each === agent).length
}

it('asks all others once a second while no group waits for anybody', async () => {
  await passMs(agentWatchTimes.restMs)
  expect(await timesAsked('g2', 10_000)).toBe(10)
  expect(await timesAsked('g1', 10_000)).toBe(0)
})

it('asks whom groups wait for every 300 ms, from the first turn of such a group on', async () => {
  await passMs(agentWatchTimes.restMs + 1)
  awaited.add('g2')
  watch.groupsGoOn()
  await passMs(agentWatchTimes.pingMs)
  expect(await timesAsked('g2', 3_000)).toBe(10)
  expect(await timesAsked('g3', 12_000)).toBe(10)
})

it('finds a dead agent of a realm at rest within a second and two words, and asks it often until it is back', async () => {
  await passMs(3_000)
  dead.add('g2')
  await passMs(agentWatchTimes.restMs + agentWatchTimes.confirmMs + 1)
  expect(watch.able().map(({ agent }) => agent)).toEqual(['g1', 'g3'])
  await passMs(10_000)
  dead.delete('g2')
  await passMs(agentWatchTimes.pingMs + 1)
  expect(watch.able().map(({ agent }) => agent)).toEqual(['g1', 'g2', 'g3'])
  expect(await timesAsked('g2', 10_000)).toBeLessThanOrEqual(11)
})

it('finds a dead agent at once whose end is told; of one that answers, or that nobody knows, the word changes nothing', async () => {
  await passMs(3_100)
  tellEnd('g3')
  tellEnd('g9')
  dead.add('g2')
  tellEnd('g2')
  await passMs(agentWatchTimes.confirmMs + 1)
  expect(watch.able().map(({ agent }) => agent)).toEqual(['g1', 'g3'])
  watch.stop()
  expect(ended).toBe(true)
})
