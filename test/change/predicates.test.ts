/** Orders of a plan, and what would undo its jobs. */
import { describe, expect, it } from 'vitest'
import type { Service } from '../../machines/service/model.ts'
import type { Operation } from '../../machines/service/operation.ts'
import { predicatesOf } from '../../src/change/predicates.ts'
import { undoing } from '../../src/change/undoing.ts'
import { desktop } from '../service/realm.ts'

const jobs = ['a/1', 'b/1', 'a/2', 'b/2', 'a/3'].map((name) => ({ site: name[0]!, service: name[2]! }))

describe('predicatesOf', () => {
  it('strict has none', () => {
    expect(predicatesOf(jobs, [], 'strict', [])).toBeUndefined()
    expect(() => predicatesOf(jobs, [], 'strict', [{ service: 'a/1', after: ['b/1'] }])).toThrow(/order graph/)
  })
  it('sites: those of one site in order', () => {
    expect(predicatesOf(jobs, [], 'sites', [])).toEqual([[], [], [[1, 1]], [[2, 2]], [[3, 3]]])
    expect(predicatesOf(jobs, [], 'sites', [{ service: 'b/1', after: ['a/2'] }])).toEqual([[], [[3, 3]], [[1, 1]], [[2, 2]], [[3, 3]]])
  })
  it('graph: as asked, in runs; those that are so already are waited for by nobody', () => {
    expect(predicatesOf(jobs, ['c/9'], 'graph', [{ service: 'a/3', after: ['b/1', 'a/1', 'a/2', 'c/9'] }, { service: 'c/9', after: ['a/1'] }])).toEqual([[], [], [], [], [[1, 3]]])
  })
  it('says in one line which services wait for one another, and every one that is not selected', () => {
    const cyclic = [{ service: 'a/1', after: ['b/2'] }, { service: 'b/2', after: ['a/3'] }, { service: 'a/3', after: ['a/1'] }]
    expect(() => predicatesOf(jobs, [], 'graph', cyclic)).toThrow('the predicates are cyclic: a/1 waits for b/2 waits for a/3 waits for a/1')
    expect(() => predicatesOf(jobs, [], 'graph', [{ service: 'a/1', after: ['a/1'] }])).toThrow(/cannot wait for itself/)
    expect(() => predicatesOf(jobs, [], 'graph', [{ service: 'x/1', after: ['a/1', 'x/2'] }])).toThrow(/"x\/1", which is not selected.*1 more problem/)
  })
})

describe('undoing', () => {
  const cases: readonly (readonly [Partial<Service>, Operation, Operation | undefined])[] = [
    [{ power: 'off' }, { name: 'start' }, { name: 'stop' }],
    [{ power: 'on' }, { name: 'start' }, undefined],
    [{ power: 'suspended' }, { name: 'start' }, undefined],
    [{ power: 'on' }, { name: 'stop' }, { name: 'start' }],
    [{ power: 'off' }, { name: 'stop' }, undefined],
    [{ name: 'old' }, { name: 'rename', to: 'new' }, { name: 'rename', to: 'old' }],
    [{ name: 'new' }, { name: 'rename', to: 'new' }, undefined],
    [{ maintenance: false }, { name: 'maintenance-on' }, { name: 'maintenance-off' }],
    [{ maintenance: true }, { name: 'maintenance-on' }, undefined],
    [{ maintenance: true }, { name: 'maintenance-off' }, { name: 'maintenance-on' }],
    [{ maintenance: false }, { name: 'maintenance-off' }, undefined],
    [{ users: [] }, { name: 'assign', user: 'ann' }, { name: 'deassign', user: 'ann' }],
    [{ users: ['ann'] }, { name: 'assign', user: 'ann' }, undefined],
    [{ users: ['ann'] }, { name: 'deassign', user: 'ann' }, { name: 'assign', user: 'ann' }],
    [{ users: [] }, { name: 'deassign', user: 'ann' }, undefined],
    [{}, { name: 'rehearse' }, { name: 'rehearse' }],
  ]
  it.each(cases)('of a service that is %j, %j is undone by %j', (service, operation, undo) => {
    expect(undoing(desktop('d', service), operation)).toEqual(undo)
  })
})
