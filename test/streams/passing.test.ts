import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PassingMap, PassingSet } from '../../streams/passing.ts'

const key = fc.integer({ min: 0, max: 12 })
const step = fc.oneof(
  fc.record({ does: fc.constant('set' as const), key, value: fc.nat() }),
  fc.record({ does: fc.constant('delete' as const), key }),
  // Long enough that it is begun anew more than once.
  fc.record({ does: fc.constant('pass' as const), times: fc.integer({ min: 1, max: 300 }) }),
)

describe('a map and a set of what comes and goes', () => {
  test('hold what a Map and a Set would, in that order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const [map, set, model] = [new PassingMap<number, number>(), new PassingSet<number>(), new Map<number, number>()]
        for (const one of steps) {
          if (one.does === 'set') {
            map.set(one.key, one.value)
            set.add(one.key)
            model.set(one.key, one.value)
          } else if (one.does === 'delete') {
            const was = model.delete(one.key)
            expect([map.delete(one.key), set.delete(one.key)]).toEqual([was, was])
          } else {
            for (let index = 0; index < one.times; index++) {
              map.set(-1, index)
              set.add(-1)
              map.delete(-1)
              set.delete(-1)
            }
          }
          expect([map.size, set.size, map.has(3), set.has(3), map.get(3)]).toEqual([model.size, model.size, model.has(3), model.has(3), model.get(3)])
        }
        expect([...map]).toEqual([...model])
        const visited: [number, number][] = []
        map.forEach((value, at) => visited.push([at, value]))
        expect(visited).toEqual([...model])
        expect([[...map.keys()], [...map.values()], [...set]]).toEqual([[...model.keys()], [...model.values()], [...model.keys()]])
      }),
    )
  })

  test('a walk sees what is put in and taken out meanwhile, however much that is', () => {
    const set = new PassingSet<number>()
    set.add(0)
    const seen: number[] = []
    for (const member of set) {
      seen.push(member)
      set.delete(member)
      if (member < 500) set.add(member + 1)
    }
    expect(seen).toEqual(Array.from({ length: 501 }, (_, index) => index))
    const map = new PassingMap<number, number>()
    map.set(0, 0)
    const keys: number[] = []
    for (const passing of map.keys()) {
      keys.push(passing)
      map.delete(passing)
      if (passing < 500) map.set(passing + 1, 0)
    }
    expect(keys).toEqual(seen)
  })

  test.each(['PassingMap', 'PassingSet'])('what has left a %s that is old is not kept until the whole heap is collected', (name) => {
    // In a process of its own: the most of 50 MB that passed through that lay in the old generation, MiB, of ours and of the runtime's own.
    const script = `
      const { ${name} } = await import(${JSON.stringify(new URL('../../streams/passing.ts', import.meta.url).href)})
      const { getHeapSpaceStatistics } = await import('node:v8')
      const old = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space').space_used_size
      const left = (passing) => {
        const put = (key, value) => ('set' in passing ? passing.set(key, value) : passing.add(key))
        const keys = Array.from({ length: 8 }, (_, index) => ({ index }))
        for (const key of keys) put(key, key)
        gc()
        const before = old()
        let most = before
        for (let index = 0; index < 200_000; index++) {
          const key = { of: new Array(20).fill(index) }
          keys.push(key)
          put(key, key)
          passing.delete(keys.shift())
          if (index % 1_000 === 0) most = Math.max(most, old())
        }
        return (most - before) / 2 ** 20
      }
      console.log(JSON.stringify({ ours: left(new ${name}()), own: left(new ${name.replace('Passing', '')}()) }))`
    const { ours, own } = JSON.parse(execFileSync(process.execPath, ['--expose-gc', '--max-semi-space-size=2', '--initial-old-space-size=512', '--input-type=module', '--eval', script], { encoding: 'utf8' })) as { readonly ours: number; readonly own: number }
    expect(ours).toBeLessThan(2)
    // Else the runtime has learnt it, and ours is needed no more.
    expect(own).toBeGreaterThan(20)
  })
})
