/** Who says what in short to whom: only to those who have said that they read it, so that a realm may hold agents of builds that do not. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { laneClient } from '../../src/lane/client.ts'
import { LaneLink } from '../../src/executor/lane-link.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import type { GrantsMessage, SentWorkRequest, WorkAnswer } from '../../streams/lane-protocol.ts'
import { Stage, lane, subjects, successesOf } from './stage.ts'

let stage: Stage

afterEach(() => stage.end())

describe('a holder', () => {
  beforeEach(async () => {
    stage = await Stage.heldBy('a')
  })

  test('says grants in full to an executor that has said nothing of it', async () => {
    await stage.openFor('e', 2)
    const told = await stage.told('e', { capacity: 1 })
    expect([told.grants.length, told.short, told.readsShort]).toEqual([1, undefined, undefined])
  })

  test('says them in short to one that reads them, in its answers and unasked, and that it reads outcomes so', async () => {
    const unasked: GrantsMessage[] = []
    stage.asker.bus.subscribe(subjects.toAgent('e', 'grants'), ({ data }) => void unasked.push(fromBytes(data)))
    const first = await stage.openFor('e', 2)
    const told = await stage.told('e', { capacity: 2, readsShort: true })
    expect([told.grants, told.readsShort]).toEqual([[], true])
    const [group, grant, kind, job] = told.short!.grants[0]!
    expect([group, kind, job]).toEqual([first, 0, 1])
    const { ended, heard } = stage.ask('work', { ...stage.work('e', { capacity: 2, readsShort: true }), outcomes: [[group, grant, job, job]] as never })
    await stage.drive(ended)
    expect((heard.at(-1) as Extract<WorkAnswer, { kind: 'taken' }>).short!.grants[0]!.slice(2, 4)).toEqual([0, 2])

    const second = await stage.openFor('e', 1)
    await stage.until('a grant that nobody asked for', () => unasked.length > 0)
    expect([unasked[0]!.grants, unasked[0]!.short!.grants[0]![0]]).toEqual([[], second])
  })

  test('says them in full again to an instance of the same agent that has not said so', async () => {
    const unasked: GrantsMessage[] = []
    stage.asker.bus.subscribe(subjects.toAgent('e', 'grants'), ({ data }) => void unasked.push(fromBytes(data)))
    await stage.told('e', { capacity: 2, readsShort: true })
    await stage.told('e', { capacity: 2, instance: 'e-2' })
    await stage.openFor('e', 1)
    await stage.until('a grant that nobody asked for', () => unasked.length > 0)
    expect([unasked[0]!.grants.length, unasked[0]!.short]).toEqual([1, undefined])
  })
})

describe('an executor', () => {
  let said: SentWorkRequest[]
  let readsShort: boolean
  let answers: boolean
  let link: LaneLink
  const outcomes = successesOf({ grants: [{ group: 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV', grant: 3, jobs: [{ job: 1 }, { job: 2 }] } as never] })
  const inShort = [['here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV', 3, 1, 2]]

  beforeEach(async () => {
    stage = new Stage()
    await stage.found()
    said = []
    answers = true
    stage.asker.bus.subscribe(subjects.toLane(lane, 'work'), (message) => {
      said.push(fromBytes(message.data))
      if (answers) message.answer(toBytes({ kind: 'taken', number: 1, queued: 0, grants: [], stops: [], ...(readsShort ? { readsShort } : {}) }))
    })
  })
  afterEach(() => link.close())

  async function beginWith(holder: { readonly readsShort: boolean }): Promise<void> {
    readsShort = holder.readsShort
    const coordinator = stage.realm.connect({ name: 'e', clock: stage.clock })
    link = new LaneLink({
      lane,
      agent: 'e',
      clock: stage.clock,
      client: laneClient({ bus: coordinator.bus, subjects }),
      incarnation: 1,
      workHere: () => undefined,
      instance: () => 'e-1', formerInstances: () => [],
      capacity: () => 4,
      held: () => [],
      onGrants: () => {},
      onSettled: () => {},
    })
    await answered(1)
  }
  const answered = (count: number) => stage.until(`${count} requests, each answered`, () => said.length >= count && !link.unsettled)
  async function report(): Promise<SentWorkRequest['outcomes']> {
    const before = said.length
    link.report(outcomes)
    await stage.until('a request with outcomes', () => said.slice(before).some((request) => request.outcomes.length > 0))
    return said.slice(before).find((request) => request.outcomes.length > 0)!.outcomes
  }

  test('says outcomes in short to a holder that has said that it reads them', async () => {
    await beginWith({ readsShort: true })
    expect(said[0]!.readsShort).toBe(true)
    expect(await report()).toEqual(inShort)
  })

  test('says them in full to a holder of a build that does not', async () => {
    await beginWith({ readsShort: false })
    expect(await report()).toEqual(outcomes)
  })

  test('says them in full to whoever announces itself as the next holder, until that one has said so too', async () => {
    await beginWith({ readsShort: true })
    link.report(outcomes)
    link.holderChanged()
    await answered(2)
    expect(said.at(-1)!.outcomes).toEqual(outcomes)
    expect(await report()).toEqual(inShort)
  })

  test('says them in full when nobody answers: the next holder may take the short ones for malformed', async () => {
    await beginWith({ readsShort: true })
    answers = false
    expect(await report()).toEqual(inShort)
    answers = true
    await answered(3)
    expect(said.at(-1)!.outcomes).toEqual(outcomes)
  })
})
