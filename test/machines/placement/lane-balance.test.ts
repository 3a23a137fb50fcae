/** Lanes by how much they do: which one moves, which never does, and that it comes to an end. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LaneAtWork, balanceLanes, leastGain, leastWork } from '../../../machines/placement/lane-balance.ts'
import { type LaneCandidate, placeLanes } from '../../../machines/placement/lanes.ts'

const region = 'here'
const agents = (names: string, leader = ''): LaneCandidate[] => [...names].map((agent) => ({ agent, region, leads: agent === leader }))
/** `a: 5000 0` are two lanes of agent a, one that does 5,000 a second and one that does nothing. */
const given = (...held: string[]): LaneAtWork[] =>
  held.flatMap((text) => {
    const [agent, works] = text.split(': ') as [string, string]
    return works.split(' ').map((work, index) => ({ lane: `${agent}${index + 1}`, region, current: agent, work: Number(work) }))
  })
const movesOf = (lanes: readonly LaneAtWork[], after: ReadonlyMap<string, string>) => lanes.filter(({ lane, current }) => after.get(lane) !== current)
const worksOf = (lanes: readonly LaneAtWork[], holderOf: (lane: LaneAtWork) => string) => {
  const works = new Map<string, number>()
  for (const lane of lanes) works.set(holderOf(lane), (works.get(holderOf(lane)) ?? 0) + lane.work)
  return works
}
/** As people read it: `a2→b`. */
const when = (lanes: readonly LaneAtWork[], candidates: readonly LaneCandidate[]) => {
  const after = balanceLanes(lanes, candidates)
  return movesOf(lanes, after).map(({ lane }) => `${lane}→${after.get(lane)}`).sort()
}

describe('given lanes and what they do', () => {
  it('two hot ones with one agent, and another with two idle ones: one changes places with an idle one', () => {
    expect(when(given('a: 5000 5000', 'b: 0 0'), agents('ab'))).toEqual(['a1→b', 'b1→a'])
  })
  it('one agent holds one more: a lane moves, and none moves back', () => expect(when(given('a: 5000 5000', 'b: 0', 'c: 0'), agents('abc'))).toEqual(['a1→b']))
  it('four hot ones with one of four agents are with four afterwards', () => {
    const lanes = given('a: 4000 4000 4000 4000', 'b: 0 0 0 0', 'c: 0 0 0 0', 'd: 0 0 0 0')
    const after = balanceLanes(lanes, agents('abcd'))
    expect([...worksOf(lanes, ({ lane }) => after.get(lane)!).values()]).toEqual([4000, 4000, 4000, 4000])
    expect(movesOf(lanes, after)).toHaveLength(6)
  })
  it('eight of one agent too, though no single move would take a quarter of its work', () => {
    const lanes = given('a: 1000 1000 1000 1000 1000 1000 1000 1000', 'b: 0 0 0 0 0 0 0 0', 'c: 0 0 0 0 0 0 0 0', 'd: 0 0 0 0 0 0 0 0')
    const after = balanceLanes(lanes, agents('abcd'))
    expect([...worksOf(lanes, ({ lane }) => after.get(lane)!).values()]).toEqual([2000, 2000, 2000, 2000])
    expect(movesOf(lanes, after)).toHaveLength(12)
  })
  it('all moves together take less than a quarter: none is made', () => expect(when(given('a: 1000 1000 1000 1000 1000 1000 1000 1000', 'b: 900 900 900 900 900 500 0 0'), agents('ab'))).toEqual([]))
  it('an idle realm: nothing moves', () => expect(when(given('a: 0 0', 'b: 0 0'), agents('ab'))).toEqual([]))
  it('little work: nothing moves, however uneven', () => {
    const half = leastWork / 2
    expect(when(given(`a: ${half - 1} ${half}`, 'b: 0 0'), agents('ab'))).toEqual([])
    expect(when(given(`a: ${half} ${half}`, 'b: 0 0'), agents('ab'))).toEqual(['a1→b', 'b1→a'])
  })
  it('one hot lane: nothing moves, it would be as hot elsewhere', () => expect(when(given('a: 9000 0', 'b: 0 0'), agents('ab'))).toEqual([]))
  it('a gain of less than a quarter is none', () => {
    expect(when(given('a: 6000 2000', 'b: 1000 3001'), agents('ab'))).toEqual([])
    expect(when(given('a: 5000 5000', 'b: 5000 0'), agents('ab'))).toEqual([])
    expect(when(given('a: 6000 2000', 'b: 3000 1000'), agents('ab'))).toEqual([])
    expect(when(given('a: 6000 3000', 'b: 3000 0'), agents('ab'))).toEqual(['a1→b', 'b1→a'])
  })
  it('who cannot be helped does not keep the next busy one from being helped', () =>
    expect(when(given('a: 9000 0', 'b: 4000 4000', 'c: 0 0'), agents('abc'))).toEqual(['b1→c', 'c1→b']))
  it('of agents that would gain the same, who executes most of the lane is to hold it', () => {
    const lanes = given('a: 5000 5000', 'b: 0', 'c: 0', 'd: 0').map((lane) => ({ ...lane, executed: new Map([['b', 10], ['c', 90]]) }))
    expect(when(lanes, agents('abcd'))).toEqual(['a1→c'])
  })
  it('the leader gets none while there are others', () => expect(when(given('b: 5000 5000', 'c: 5000 5000'), agents('abc', 'a'))).toEqual([]))
  it('none goes to who is unfit for it', () => {
    const lanes = given('a: 5000 5000', 'b: 0', 'c: 0').map((lane) => ({ ...lane, avoid: new Set(['b']) }))
    expect(when(lanes.map((lane) => (lane.current === 'b' ? { ...lane, avoid: new Set<string>() } : lane)), agents('abc'))).toEqual(['a1→c'])
  })
  it('what a newer leader placed stays [616]', () => {
    const lanes = given('a: 5000 5000', 'b: 0 0').map((lane) => ({ ...lane, placedByNewer: true }))
    expect(when(lanes, agents('ab'))).toEqual([])
  })
  it('lanes stay in their region where somebody is there', () => {
    const far = { agent: 'z', region: 'there', leads: false }
    expect(when(given('a: 5000 5000', 'b: 5000 5000'), [...agents('ab'), far])).toEqual([])
  })
})

describe('given any lanes, as the rule of counts leaves them', () => {
  const realm = fc
    .record({ names: fc.integer({ min: 1, max: 6 }), works: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20_000 })), { minLength: 1, maxLength: 24 }), seed: fc.array(fc.nat(), { minLength: 24, maxLength: 24 }), far: fc.nat(2), fixed: fc.nat(9), avoided: fc.nat(9) })
    .map(({ names, works, seed, far, fixed, avoided }) => {
      const all = Array.from({ length: names }, (_, index) => String.fromCharCode(97 + index))
      const candidates: LaneCandidate[] = all.map((agent, index) => ({ agent, region: index < far ? 'there' : region, leads: index === names - 1 }))
      const lanes = works.map((work, index) => ({
        lane: `r-${index + 1}`, region: index % 5 === 0 ? 'there' : region, work, current: all[seed[index]! % names]!,
        placedByNewer: index === fixed, avoid: new Set(index === avoided ? [all[0]!] : []),
      }))
      return { candidates, lanes: settled(lanes, candidates) }
    })
  /** The rule of counts until it changes nothing more. */
  const settled = (lanes: readonly LaneAtWork[], candidates: readonly LaneCandidate[]): LaneAtWork[] => {
    let now = [...lanes]
    for (let round = 0; round < 50; round++) {
      const placed = placeLanes(now, candidates)
      if (now.every(({ lane, current }) => placed.get(lane) === current)) break
      now = now.map((lane) => ({ ...lane, current: placed.get(lane.lane)! }))
    }
    return now
  }
  const moved = (lanes: readonly LaneAtWork[], after: ReadonlyMap<string, string>) => lanes.map((lane) => ({ ...lane, current: after.get(lane.lane)! }))
  const busiest = (lanes: readonly LaneAtWork[]) => Math.max(0, ...worksOf(lanes, ({ current }) => current).values())

  it('the busiest agent never has more afterwards, nobody who gave has more than three quarters, and no lane moves twice', () => {
    fc.assert(
      fc.property(realm, ({ lanes, candidates }) => {
        const after = moved(lanes, balanceLanes(lanes, candidates))
        expect(busiest(after)).toBeLessThanOrEqual(busiest(lanes))
        const [before, now] = [worksOf(lanes, ({ current }) => current), worksOf(after, ({ current }) => current)]
        if (after.some(({ current }, index) => current !== lanes[index]!.current)) {
          const givers = [...before].filter(([agent, work]) => (now.get(agent) ?? 0) < work)
          for (const [agent, work] of givers) expect(now.get(agent) ?? 0).toBeLessThanOrEqual((1 - leastGain) * work)
          expect(givers).not.toEqual([])
          const squares = (works: ReadonlyMap<string, number>) => [...works.values()].reduce((sum, work) => sum + work * work, 0)
          expect(squares(now)).toBeLessThan(squares(before))
        }
      }),
      { numRuns: 500 },
    )
  })
  it('comes to rest within as many rounds as there are lanes, and what it left stays for ever while the work of lanes does', () => {
    fc.assert(
      fc.property(realm, ({ lanes, candidates }) => {
        let now = lanes
        let rounds = 0
        for (; rounds <= lanes.length; rounds++) {
          const after = moved(now, balanceLanes(now, candidates))
          if (after.every(({ current }, index) => current === now[index]!.current)) break
          now = after
        }
        expect(rounds).toBeLessThanOrEqual(lanes.length)
        for (let again = 0; again < 3; again++) {
          expect([...placeLanes(now, candidates)]).toEqual(expect.arrayContaining(now.map(({ lane, current }) => [lane, current])))
          expect(movesOf(now, balanceLanes(now, candidates))).toEqual([])
        }
      }),
      { numRuns: 300 },
    )
  })
  it('leaders that know no balance keep what it left: the rule of counts changes nothing', () => {
    fc.assert(
      fc.property(realm, ({ lanes, candidates }) => {
        const after = moved(lanes, balanceLanes(lanes, candidates))
        const placed = placeLanes(after.map(({ lane, region: at, current, avoid, placedByNewer }) => ({ lane, region: at, current, avoid: avoid!, placedByNewer: placedByNewer! })), candidates)
        if (lanes.every(({ lane, current }) => placeLanes(lanes, candidates).get(lane) === current)) {
          for (const { lane, current } of after) expect(placed.get(lane)).toBe(current)
        }
      }),
      { numRuns: 300 },
    )
  })
  it('nothing moves where nobody does anything', () => {
    fc.assert(
      fc.property(realm, ({ lanes, candidates }) => {
        expect(movesOf(lanes, balanceLanes(lanes.map((lane) => ({ ...lane, work: 0 })), candidates))).toEqual([])
      }),
    )
  })
})

describe('lanes without a holder', () => {
  it('go, of agents with as many lanes, to the one that does least', () => {
    const held = given('a: 5000', 'b: 100', 'c: 3000')
    const lost = [{ lane: 'x1', region, current: 'gone', work: 2000 }, { lane: 'x2', region, current: 'gone', work: 10 }]
    const placed = placeLanes([...held, ...lost], agents('abc'))
    expect([placed.get('x1'), placed.get('x2')]).toEqual(['b', 'c'])
  })
})
