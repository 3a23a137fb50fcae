/** What the live view of a realm keeps of instructions: those whose command a lane may yet take, and those that a trigger waits for. */
import { beforeEach, expect, test } from 'vitest'
import { absentTrigger } from '../../machines/trigger/evolve.ts'
import { RealmFold } from '../../src/realm/view.ts'
import { newUlid } from '../../streams/codec.ts'
import { firstDigest } from '../../streams/envelope.ts'
import { subjectsOf } from '../../streams/subjects.ts'

const subjects = subjectsOf('reeve')
const dayMs = 24 * 60 * 60 * 1_000
const beginMs = Date.UTC(2026, 0, 1)
const zeros = { bytes: (count: number) => new Uint8Array(count) } as never

let forgotten: string[]
let fold: RealmFold
let position: number

beforeEach(() => {
  forgotten = []
  fold = new RealmFold('reeve', (command) => forgotten.push(command))
  position = 0
})

const commandOf = (day: number) => newUlid(beginMs + day * dayMs, zeros)

/** On that day, with a command of another day where `made` says so. */
function taken(day: number, { made = day, into = fold }: { readonly made?: number; readonly into?: RealmFold } = {}): string {
  const id = commandOf(made)
  const events = [{ type: 'InstructionTaken', data: { lane: 'here-1', plan: firstDigest, text: 'rehearse' } }] as const
  const commits = [{ aggregate: 'instruction', id, revision: 1, actor: 'person:a', command: id, events }]
  into.fold({
    subject: subjects.aggregate('instruction', id),
    position: ++position,
    turn: { turn: newUlid(beginMs, zeros), schema: 1, incarnation: 1, number: 1, timeMs: beginMs + day * dayMs, previous: firstDigest, commits },
  })
  return id
}

const kept = () => [...fold.instructions.keys()]

test('an instruction is kept while a lane may take its command, and a day longer for clocks that differ', () => {
  const first = taken(0)
  const later = taken(8)
  expect(kept()).toEqual([first, later])
  const last = taken(8.01)
  expect(kept()).toEqual([later, last])
  expect(forgotten).toEqual([first])
  expect([...fold.tails.keys()]).toEqual([later, last].map((id) => subjects.aggregate('instruction', id)))
})

test('however many there are, as many as came in eight days are kept', () => {
  for (let tenths = 0; tenths < 1_000; tenths++) taken(tenths / 10)
  expect(kept()).toHaveLength(81)
  expect(fold.tails.size).toBe(81)
})

test('that for whose run a trigger waits is kept, and holds up no other', () => {
  const awaited = taken(0)
  const running = { atMs: 0, name: 'nightly', change: {} as never, priority: 0, monitoring: null, command: awaited, cause: 1, startedMs: 0, reported: [], replaced: null }
  fold.triggers.set('nightly', { ...absentTrigger('nightly'), running })
  for (let day = 1; day < 60; day++) taken(day)
  expect(kept()).toHaveLength(10)
  expect(kept()).toContain(awaited)
  fold.triggers.set('nightly', absentTrigger('nightly'))
  for (let day = 60; day < 80; day++) taken(day)
  expect(kept()).not.toContain(awaited)
})

test('one whose command is old when it is taken goes with the others', () => {
  taken(10, { made: 3 })
  for (let day = 11; day < 40; day++) taken(day)
  expect(kept()).toHaveLength(9)
})

test('whoever shows the past keeps all of them', () => {
  const whole = new RealmFold('reeve')
  for (let day = 0; day < 100; day++) taken(day, { into: whole })
  expect(whole.instructions.size).toBe(100)
})
