/** What a reader and a writer of the wire refuse: newer shapes, and ids that would be other subjects. */
import { expect, it } from 'vitest'
import { MalformedTurn, decodeTurn } from '../../streams/codec.ts'
import { firstDigest, schemaVersion } from '../../streams/envelope.ts'
import { MalformedId, parseEventSubject, subjectsOf } from '../../streams/subjects.ts'

const bytes = (schema: number) =>
  new TextEncoder().encode(JSON.stringify({ turn: '01', schema, incarnation: 1, number: 1, timeMs: 0, previous: firstDigest, commits: [] }))

it('a turn of a newer schema is not read as if it were an old one', () => {
  expect(decodeTurn(bytes(schemaVersion)).schema).toBe(schemaVersion)
  expect(() => decodeTurn(bytes(schemaVersion + 1))).toThrow(MalformedTurn)
  expect(() => decodeTurn(bytes(schemaVersion + 1))).toThrow('use a newer build')
})

it.each(['', 'a.b', '*', '>', 'a b', 'ä', 'x'.repeat(65)])('%j is no id: no subject is built with it', (id) => {
  const subjects = subjectsOf('reeve')
  for (const build of [
    () => subjects.lane(id),
    () => subjects.aggregate('site', id),
    () => subjects.toLane(id, 'work'),
    () => subjects.toAgent(id, 'ping'),
    () => subjects.pingLane('a1', id),
    () => subjects.releaseLane(id, 'east-1'),
    () => subjects.feed('group', id),
  ]) expect(build).toThrow(MalformedId)
})

it('what is built is parsed back', () => {
  const subjects = subjectsOf('reeve')
  expect(parseEventSubject('reeve', subjects.lane('east-1'))).toEqual({ kind: 'lane', lane: 'east-1' })
  expect(parseEventSubject('reeve', subjects.aggregate('realm', 'self'))).toEqual({ kind: 'realm', id: 'self' })
  for (const other of ['other.event.lane.east-1', 'reeve.feed.lane.east-1', 'reeve.event.flock.x', 'reeve.event.lane', 'reeve.event.lane.a.b']) {
    expect(parseEventSubject('reeve', other)).toBeUndefined()
  }
})
