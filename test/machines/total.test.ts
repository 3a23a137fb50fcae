/** Whatever stands in the log is folded: nothing ends by it, and nobody writes behind it. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { absentSite, foldSite } from '../../machines/site/site.ts'

type Folded = { revision: number; unknownType: string | null }

const folds: readonly (readonly [string, () => Folded, (state: never, event: never) => void, readonly string[]])[] = [
  ['realm', emptyRealm, foldRealm, ['RealmFounded', 'LanesDefined', 'LeaderElected', 'FormatRaised', 'QuarantineBegun', 'QuarantineEnded']],
  ['site', () => absentSite('s'), foldSite, ['SiteAdded', 'SiteRemoved']],
  ['agent', () => absentAgent('a'), foldAgent, ['AgentStarted', 'AgentStopped', 'AgentLost', 'AgentConfigured']],
]

describe.each(folds)('events of the aggregate %s', (_aggregate, empty, fold, types) => {
  test('with any data, or none, have their revision', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ type: fc.constantFrom(...types), data: fc.option(fc.jsonValue(), { nil: undefined }) })), (events) => {
        const state = empty()
        for (const event of events) fold(state as never, event as never)
        expect(state.revision).toBe(events.length)
      }),
    )
  })

  test('that cannot be read count as what this build does not know', () => {
    const unread = types.filter((type) => {
      const state = empty()
      fold(state as never, { type } as never)
      return state.unknownType === type
    })
    expect(unread.length).toBeGreaterThan(0)
  })
})
