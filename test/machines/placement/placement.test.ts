import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobSpec } from '../../../machines/execution-group/events.ts'
import { foldInto } from '../../../machines/execution-group/evolve.ts'
import { type GroupState, absentGroup } from '../../../machines/execution-group/state.ts'
import { expiresAtMs, lostAtMs } from '../../../machines/placement/expiry.ts'
import { type JobCandidate, placeJobs } from '../../../machines/placement/jobs.ts'
import { type LaneCandidate, type LaneToPlace, placeLanes } from '../../../machines/placement/lanes.ts'
import { jobsToAssign } from '../../../machines/placement/unassigned.ts'

const lanes = (count: number, region = 'here', current: readonly (string | undefined)[] = []): LaneToPlace[] =>
  Array.from({ length: count }, (_, index) => ({ lane: `${region}-${index + 1}`, region, ...(current[index] === undefined ? {} : { current: current[index] }) }))
const agents = (names: string, leader = '', region = 'here'): LaneCandidate[] => [...names].map((agent) => ({ agent, region, leads: agent === leader }))
const countsOf = (placed: ReadonlyMap<string, string>) => {
  const counts = new Map<string, number>()
  for (const agent of placed.values()) counts.set(agent, (counts.get(agent) ?? 0) + 1)
  return counts
}

describe('lanes', () => {
  it('nobody there: nothing is placed', () => expect(placeLanes(lanes(4), []).size).toBe(0))
  it('are spread evenly', () => expect([...countsOf(placeLanes(lanes(4), agents('ab'))).values()]).toEqual([2, 2]))
  it('pass over the leader while there are others', () => expect(countsOf(placeLanes(lanes(4), agents('abc', 'a'))).has('a')).toBe(false))
  it('go to the leader when nobody else is there', () => expect(countsOf(placeLanes(lanes(4), agents('a', 'a'))).get('a')).toBe(4))
  it('go to agents of their region', () => {
    const placed = placeLanes([...lanes(2, 'here'), ...lanes(2, 'there')], [...agents('ab', '', 'here'), ...agents('cd', '', 'there')])
    expect([...placed].every(([lane, agent]) => (lane.startsWith('here') ? 'ab' : 'cd').includes(agent))).toBe(true)
  })
  it('of a region without agents go elsewhere', () => expect(placeLanes(lanes(2, 'there'), agents('ab')).size).toBe(2))
  it('pass over an agent that is unfit for them, unless there is nobody else', () => {
    const unfit = lanes(4, 'here', ['a', 'a', 'a', 'a']).map((lane) => ({ ...lane, avoid: new Set(['a']) }))
    expect(countsOf(placeLanes(unfit, agents('ab'))).get('b')).toBe(4)
    expect(countsOf(placeLanes(unfit, agents('a'))).get('a')).toBe(4)
  })
  it('stay where they are when nothing changed, and one agent more moves only its fair share', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 }), (laneCount, agentCount) => {
        const names = Array.from({ length: agentCount + 1 }, (_, index) => String.fromCharCode(97 + index)).join('')
        const before = placeLanes(lanes(laneCount), agents(names.slice(0, -1)))
        const held = lanes(laneCount).map((lane) => ({ ...lane, current: before.get(lane.lane)! }))
        expect(placeLanes(held, agents(names.slice(0, -1)))).toEqual(before)
        const more = placeLanes(held, agents(names))
        const moved = held.filter((lane) => more.get(lane.lane) !== lane.current)
        expect(moved.length).toBeLessThanOrEqual(Math.ceil(laneCount / (agentCount + 1)))
        const counts = countsOf(more)
        const loads = [...names].map((agent) => counts.get(agent) ?? 0)
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
      }),
    )
  })
  it('what a newer leader placed stays while its agent may hold it [616], and goes elsewhere when it may not', () => {
    const placed = lanes(4, 'here', ['a', 'a', 'a', 'a']).map((lane) => ({ ...lane, placedByNewer: true }))
    expect(countsOf(placeLanes(placed, agents('ab'))).get('a')).toBe(4)
    expect(countsOf(placeLanes(placed, agents('bc'))).has('a')).toBe(false)
    expect(countsOf(placeLanes(placed, agents('ab', 'a'))).get('b')).toBe(4)
  })
  it('one agent less moves only what it held', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 2, max: 12 }), (laneCount, agentCount) => {
        const names = Array.from({ length: agentCount }, (_, index) => String.fromCharCode(97 + index)).join('')
        const before = placeLanes(lanes(laneCount), agents(names))
        const held = lanes(laneCount).map((lane) => ({ ...lane, current: before.get(lane.lane)! }))
        const less = placeLanes(held, agents(names.slice(1)))
        for (const lane of held) if (lane.current !== 'a') expect(less.get(lane.lane)).toBe(lane.current)
      }),
    )
  })
})

const candidate = (agent: string, fields: Partial<JobCandidate> = {}): JobCandidate => ({ agent, region: 'here', skills: [], leads: false, load: 0, ...fields })
const group = (stretches: { first: number; last: number; skill?: JobSpec['skill'] }[], distributionFactor = 1) => ({ group: 'here-1-X', region: 'here', distributionFactor, stretches })
const drill = { name: 'drill', need: 'required' } as const
const only = (agent: string, ...skills: string[]) => candidate(agent, { skills, skilledOnly: true })
const agentsOf = (placed: ReturnType<typeof placeJobs>) => placed.assignments.map(({ agent }) => agent)

describe('jobs', () => {
  it('go to one agent a group and skill where the factor says no more', () =>
    expect(placeJobs(group([{ first: 1, last: 100 }]), [candidate('a'), candidate('b')])).toEqual({ assignments: [{ first: 1, last: 100, agent: 'a' }], missing: [] }))
  it('that require a skill go to an agent that has it (claim 1)', () =>
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1, skill: drill }]), [candidate('a'), candidate('b', { skills: ['drill'] })]))).toEqual(['b']))
  it('that require a skill nobody has are not placed, the others are', () =>
    expect(placeJobs(group([{ first: 1, last: 1 }, { first: 2, last: 2, skill: drill }]), [candidate('a')])).toEqual({ assignments: [{ first: 1, last: 1, agent: 'a' }], missing: ['drill'] }))
  it('that only benefit from a skill go to who has it, else to anybody', () => {
    const preferred = group([{ first: 1, last: 1, skill: { name: 'drill', need: 'preferred' } }])
    expect(agentsOf(placeJobs(preferred, [candidate('a'), candidate('b', { skills: ['drill'] })]))).toEqual(['b'])
    expect(agentsOf(placeJobs(preferred, [candidate('a')]))).toEqual(['a'])
  })
  it('an agent that takes jobs of its skills only gets no others, also where its skill would only help somebody else', () => {
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1 }]), [only('a', 'drill'), candidate('b', { load: 9 })]))).toEqual(['b'])
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1, skill: drill }]), [only('a', 'drill'), candidate('b')]))).toEqual(['a'])
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1, skill: { name: 'x', need: 'preferred' } }]), [only('a', 'drill'), candidate('b')]))).toEqual(['b'])
    expect(placeJobs(group([{ first: 1, last: 1 }]), [only('a', 'drill')])).toEqual({ assignments: [], missing: ['no skill'] })
  })
  it('pass over the leader, unless it is the only one that could', () => {
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1 }]), [candidate('a', { leads: true }), candidate('b', { load: 9 })]))).toEqual(['b'])
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1 }]), [candidate('a', { leads: true })]))).toEqual(['a'])
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1, skill: drill }]), [candidate('a', { leads: true, skills: ['drill'] }), candidate('b')]))).toEqual(['a'])
  })
  it('go to the default execution group of the region, whatever the factor and the load; to those of other regions only where nobody is in it', () => {
    const far = [candidate('a', { region: 'there' }), candidate('z', { region: 'yonder' })]
    const near = [candidate('b', { load: 9 }), candidate('c', { load: 9 })]
    for (const factor of [1, 50, 51, 100]) {
      expect(new Set(agentsOf(placeJobs(group([{ first: 1, last: 10 }], factor), [...far, ...near])))).toEqual(new Set(factor > 50 ? ['b', 'c'] : ['b']))
      expect(new Set(agentsOf(placeJobs(group([{ first: 1, last: 10 }], factor), far)))).toEqual(new Set(factor > 50 ? ['a', 'z'] : ['a']))
    }
    // Who is near and cannot do them is no reason to wait.
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1, skill: drill }], 100), [candidate('b'), candidate('a', { region: 'there', skills: ['drill'] })]))).toEqual(['a'])
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1 }], 100), [only('b', 'drill'), candidate('a', { region: 'there' })]))).toEqual(['a'])
    // A leader works only when nobody else could, near or far.
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1 }], 100), [candidate('b', { leads: true }), candidate('a', { region: 'there' })]))).toEqual(['a'])
  })
  it('that benefit from a skill go far for it, but not to a leader', () => {
    const preferred = group([{ first: 1, last: 1, skill: { name: 'drill', need: 'preferred' } }], 100)
    expect(agentsOf(placeJobs(preferred, [candidate('b'), candidate('a', { region: 'there', skills: ['drill'] })]))).toEqual(['a'])
    expect(agentsOf(placeJobs(preferred, [candidate('b'), candidate('a', { leads: true, skills: ['drill'] })]))).toEqual(['b'])
    expect(agentsOf(placeJobs(preferred, [candidate('a', { leads: true, skills: ['drill'] })]))).toEqual(['a'])
  })
  it('where the default execution groups are given, go to nobody else', () =>
    expect(agentsOf(placeJobs(group([{ first: 1, last: 10 }], 100), [candidate('a'), candidate('b')], [{ region: 'here', skill: null, agents: ['b', 'gone'] }]))).toEqual(['b']))
  it('prefer the least loaded', () => {
    expect(agentsOf(placeJobs(group([{ first: 1, last: 1 }]), [candidate('a', { load: 2 }), candidate('b', { load: 1 })]))).toEqual(['b'])
  })
  it('the distribution factor is rounded up: 4 mapped, 50 % are 2, 51 % are 3, 1 % is 1', () => {
    const four = ['a', 'b', 'c', 'd'].map((agent) => candidate(agent))
    const used = (factor: number) => new Set(agentsOf(placeJobs(group([{ first: 1, last: 100 }], factor), four))).size
    expect([1, 25, 26, 50, 51, 100].map(used)).toEqual([1, 1, 2, 2, 3, 4])
  })
  it('of a group for one role go to agents of that role only, the factor counted over those', () => {
    const both = [candidate('g1', { role: 'generic' }), candidate('g2', { role: 'generic' }), candidate('s1', { role: 'skilled', skills: ['drill'] }), candidate('s2', { role: 'skilled' })]
    const to = (role: 'skilled' | 'generic', skill?: typeof drill) => placeJobs({ ...group([{ first: 1, last: 4, ...(skill === undefined ? {} : { skill }) }], 100), agents: role }, both)
    expect(new Set(agentsOf(to('skilled')))).toEqual(new Set(['s1', 's2']))
    expect(new Set(agentsOf(to('generic')))).toEqual(new Set(['g1', 'g2']))
    expect(agentsOf(to('skilled', drill))).toEqual(['s1'])
    expect(to('generic', drill)).toEqual({ assignments: [], missing: ['drill', 'role generic'] })
  })
  it('each job is placed exactly once, whatever the stretches and the factor', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 9 }), (lengths, factor, count) => {
        let next = 1
        const stretches = lengths.map((length, index) => {
          const first = next
          next += length
          return { first, last: next - 1, ...(index % 2 === 0 ? {} : { skill: { name: 'drill', need: 'preferred' as const } }) }
        })
        const candidates = Array.from({ length: count }, (_, index) => candidate(`a${index}`, index % 2 === 0 ? {} : { skills: ['drill'] }))
        let covered = 0
        for (const { first, last } of placeJobs(group(stretches, factor), candidates).assignments) {
          expect(first).toBe(covered + 1)
          covered = last
        }
        expect(covered).toBe(next - 1)
      }),
    )
  })
})

function folded(jobs: readonly Partial<JobSpec>[], ...events: { type: string; data: unknown }[]): GroupState {
  const state = absentGroup('here-1-X')
  const specs = jobs.map((job) => ({ site: 's', service: 'x', operation: { name: 'start' }, repeatable: true, ...job }))
  const all = [
    { type: 'GroupOpened', data: { name: 'g', decision: 1, jobs: jobs.length, parts: 1, plan: 'p', order: 'strict', mode: 'jobs', window: 1, region: 'here', distributionFactor: 1 } },
    { type: 'JobsAdded', data: { part: 1, jobs: specs } },
    { type: 'GroupSealed', data: {} },
    ...events,
  ]
  for (const event of all) foldInto(state, event as never)
  expect(state.fault).toBeNull()
  return state
}
const assigned = (...assignments: { first: number; last: number; agent: string }[]) => ({ type: 'JobsAssigned', data: { assignments } })
const granted = (agent: string) => ({ type: 'LockGranted', data: { jobs: [[1, 1]], agent, instance: `${agent}-1`, callDeadlineMs: 10_000 } })
const everybody = () => true

describe('jobs to assign', () => {
  const three = [{}, {}, { skill: drill }]
  it('none of a group that still opens', () => expect(jobsToAssign(absentGroup('here-1-X'), everybody, 10)).toEqual([]))
  it('all that are in nobody\'s queue, by what they ask for', () => expect(jobsToAssign(folded(three), everybody, 10)).toEqual([{ first: 1, last: 2 }, { first: 3, last: 3, skill: drill }]))
  it('none that are assigned', () => expect(jobsToAssign(folded(three, assigned({ first: 1, last: 3, agent: 'a' })), everybody, 10)).toEqual([]))
  it('those of an agent that is gone', () =>
    expect(jobsToAssign(folded(three, assigned({ first: 1, last: 1, agent: 'a' }, { first: 2, last: 3, agent: 'b' })), (agent) => agent !== 'a', 10)).toEqual([{ first: 1, last: 1 }]))
  it('not the job under an open grant, which ends by its outcome or by I9', () =>
    expect(jobsToAssign(folded([{}, {}], assigned({ first: 1, last: 2, agent: 'a' }), granted('a')), () => false, 10)).toEqual([{ first: 2, last: 2 }]))
  it('no more stretches than the limit', () => expect(jobsToAssign(folded([{}, { skill: drill }, {}]), everybody, 2)).toEqual([{ first: 1, last: 1 }, { first: 2, last: 2, skill: drill }]))
})

describe('expiry of a grant (P18, I9)', () => {
  const state = folded([{ site: 'fenced' }, { site: 'open' }], assigned({ first: 1, last: 2, agent: 'a' }), granted('a'))
  it('an instance is lost 1.1 presence times after its last sign', () => expect(lostAtMs(1_000, 6_000)).toBeCloseTo(7_600))
  it('its grant ends at once where the site enforces the token', () => expect(expiresAtMs(state, state.grant!, 5_000, (site) => site === 'fenced')).toBe(5_000))
  it('else when 1.1 times the call deadline that the grant carries have passed', () => expect(expiresAtMs(state, state.grant!, 5_000, (site) => site !== 'fenced')).toBeCloseTo(16_000))
})
