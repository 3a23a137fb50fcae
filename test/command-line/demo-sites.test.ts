import { expect, test } from 'vitest'
import { absentSite, foldSite, type SiteState } from '../../machines/site/site.ts'
import { sitesToStart } from '../../src/up/demo.ts'

function added(site: string, kind = 'simulated'): SiteState {
  const state = absentSite(site)
  foldSite(state, { type: 'SiteAdded', data: { kind, address: 'http://127.0.0.1:4000', region: 'here', fencing: 'enforced' } })
  return state
}
const names = (...given: Parameters<typeof sitesToStart>) => sitesToStart(...given).map(({ site }) => site)
const known = (...sites: readonly SiteState[]) => new Map(sites.map((state) => [state.site, state]))

test('a demonstration starts both sites, known or not', () => {
  expect(names(true, new Map(), new Set())).toEqual(['north', 'south'])
})

test('without --demo, those that the realm manages and whose data lie in this folder are started again', () => {
  const both = known(added('north'), added('south'))
  expect(names(false, both, new Set(['north', 'south']))).toEqual(['north', 'south'])
  expect(names(false, both, new Set(['south']))).toEqual(['south'])
  expect(names(false, new Map(), new Set(['north']))).toEqual([])
})

test('not one that was taken out, or that is of another kind by now', () => {
  const removed = added('north')
  foldSite(removed, { type: 'SiteRemoved', data: {} })
  expect(names(false, known(removed, added('south', 'libvirt')), new Set(['north', 'south']))).toEqual([])
})
