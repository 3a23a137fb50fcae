import { expect, test } from 'vitest'
import { adapterOf, adapters, UnknownSiteKind } from '../../src/sites/registry.ts'

test('every kind is found by its name, once', () => {
  for (const adapter of adapters) expect(adapterOf(adapter.kind)).toBe(adapter)
  const kinds = adapters.map((adapter) => adapter.kind)
  expect(kinds).toEqual([...new Set(kinds)].sort())
})

test('an unknown kind: one line that lists those there are', () => {
  expect(() => adapterOf('xen\ndesktop')).toThrow(UnknownSiteKind)
  expect(() => adapterOf('xen\ndesktop')).toThrow(/^unknown kind of site "xen\\ndesktop": use one of drill, libvirt, simulated$/)
})
