/** What turns are made of, ordinary and odd. */
import fc from 'fast-check'
import { type Commit, type Turn, firstDigest } from '../../streams/envelope.ts'

export const ulid = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
export const skilled = { site: 'cloud-1', service: 's00001', operation: { name: 'rehearse' }, skill: { name: 'x', need: 'required' }, repeatable: true }
export const job = { site: 'cloud-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }

export function turnOf(commits: readonly Commit[], others: Partial<Turn> = {}): Turn {
  return { turn: ulid, schema: 1, incarnation: 1, number: 7, timeMs: 1_700_000_000_000, previous: firstDigest, commits, ...others }
}

export function commitOf(events: readonly { readonly type: string; readonly data: unknown }[], others: Partial<Commit> = {}): Commit {
  return { aggregate: 'group', id: `north-1-${ulid}`, revision: 12, actor: 'agent:a1', events, ...others }
}

/** What most of a log is made of. */
export const ordinary: readonly (readonly [string, Commit])[] = [
  ['an outcome and the next grant', commitOf([{ type: 'JobSucceeded', data: { job: 3, grant: 11 } }, { type: 'LockGranted', data: { jobs: [[4, 4]], agent: 'a1', instance: ulid, callDeadlineMs: 10_000 } }])],
  ['the last outcome', commitOf([{ type: 'JobSucceeded', data: { job: 3, grant: 0 } }, { type: 'GroupCompleted', data: {} }])],
  ['a grant of several runs', commitOf([{ type: 'LockGranted', data: { jobs: [[4, 4], [9, 12]], agent: 'a1', instance: ulid, callDeadlineMs: 0 } }])],
  ['queues', commitOf([{ type: 'JobsAssigned', data: { assignments: [{ first: 1, last: 5, agent: 'a1' }, { first: 6, last: 6, agent: 'agent-with-a-name-that-is-longer-than-what-is-looked-up-among-the-known' }] } }], { epoch: 4 })],
  [
    'jobs',
    commitOf(
      [
        { type: 'GroupOpened', data: { name: 'Zoë "{}" \\', decision: 1, jobs: 5, parts: 1, plan: firstDigest, order: 'graph' } },
        {
          type: 'JobsAdded',
          data: {
            part: 1,
            jobs: [
              job,
              { ...job, service: 's00002' },
              { ...job, operation: { name: 'rename', to: 'web' } },
              { ...job, operation: { name: 'rename', to: 'web' }, repeatable: false },
              { ...job, operation: { name: 'assign', user: 'u1' }, after: [[1, 2], [4, 4]] },
              skilled,
              { ...skilled, service: 's00003' },
              { ...skilled, after: [[1, 1]] },
            ],
          },
        },
        { type: 'GroupSealed', data: {} },
      ],
      { revision: 1, command: ulid, actor: 'person:p', correlation: ulid },
    ),
  ],
  ['what is rare', commitOf([{ type: 'JobFailed', data: { job: 1, grant: 2, reason: { code: 'x', text: 'it said: "no }{"\n…' } } }, { type: 'LaterType', data: [1.5, -0, null] }], { command: ulid, epoch: 0 })],
  ['a lane that is taken', commitOf([{ type: 'LaneTaken', data: { agent: 'a1', instance: ulid } }], { aggregate: 'lane', id: 'north-1', epoch: 3, correlation: ulid })],
  ['no names at all', commitOf([{ type: 'LockGranted', data: { jobs: [[1, 1]], agent: '', instance: '', callDeadlineMs: 1 } }, { type: '', data: undefined }], { id: '', actor: '' })],
]

/** The same with one thing of it changed, for each thing in it. */
export function* variants(value: unknown): Generator<unknown> {
  for (const other of [null, true, 0, -1, 1.5, 1e21, '', 'a1', 'Zoë', {}, [], [[]], { name: 'x' }]) yield other
  if (typeof value === 'string') yield `${value}"`
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    const items = value as unknown[]
    yield [...items, null]
    for (const [index, item] of items.entries()) {
      yield items.toSpliced(index, 1)
      yield items.toSpliced(index, 0, item)
      for (const other of variants(item)) yield items.with(index, other)
    }
    return
  }
  const entries = Object.entries(value)
  yield Object.fromEntries(entries.toReversed())
  for (const [index, [key, item]] of entries.entries()) {
    yield Object.fromEntries(entries.toSpliced(index, 1))
    yield Object.fromEntries(entries.toSpliced(index, 0, ['more', 1]))
    yield Object.fromEntries([...entries.toSpliced(index, 1), [key, item]])
    yield Object.fromEntries(entries.with(index, [`${key}s`, item]))
    for (const other of variants(item)) yield Object.fromEntries(entries.with(index, [key, other]))
  }
}

const some = <T>(one: fc.Arbitrary<T>) => fc.oneof({ weight: 12, arbitrary: fc.array(one, { minLength: 1, maxLength: 3 }) }, { weight: 1, arbitrary: fc.constant<T[]>([]) })
const rarely = <T>(one: fc.Arbitrary<T>) => fc.oneof({ weight: 12, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: one })
const text = fc.oneof(
  { weight: 60, arbitrary: fc.constantFrom(ulid, `north-1-${ulid}`, `north-12-${ulid}`, 'a1', 'a2', 'agent:a1', '', 'x'.repeat(63), 'x'.repeat(64), 'x'.repeat(65)) },
  { weight: 1, arbitrary: fc.string({ maxLength: 70 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom('"', '\\', '\\u0061', '\u007f', '\u0000', 'Zoë', '}]}', '__proto__', '\ud800') },
)
const number = fc.oneof(
  { weight: 60, arbitrary: fc.integer({ min: 1, max: 1_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -0, -1, 1.5, 1e21, 1e-7, 999_999_999_999_999, 1_000_000_000_000_000, Number.MAX_SAFE_INTEGER, 2 ** 60) },
)
const runs = some(fc.tuple(number, number))
const operation = fc.oneof(
  fc.record({ name: text, to: text, user: text }, { requiredKeys: ['name'] }),
  fc.record({ name: fc.constant('rename'), to: fc.constantFrom('a', 'b') }),
  fc.dictionary(text, fc.oneof(text, number), { maxKeys: 2 }),
)
const skill = fc.record({ name: text, need: fc.oneof(fc.constantFrom('required', 'preferred'), text), more: text }, { requiredKeys: [] })
const spec = fc.record(
  { site: text, service: text, operation, skill, repeatable: fc.boolean(), after: runs, compensate: operation },
  { requiredKeys: ['site', 'service', 'operation', 'repeatable'] },
)
const plainSpec = fc.record({ site: text, service: text, operation, skill: rarely(skill), repeatable: fc.boolean() })
const event = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('JobSucceeded'), data: fc.record({ job: number, grant: number, already: fc.constant(true) }, { requiredKeys: ['job', 'grant'] }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('LockGranted'), data: fc.record({ jobs: runs, agent: text, instance: text, callDeadlineMs: number }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('JobsAssigned'), data: fc.record({ assignments: some(fc.record({ first: number, last: number, agent: text })) }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('JobsAdded'), data: fc.record({ part: number, jobs: fc.oneof(some(spec), some(plainSpec)) }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('GroupCompleted', 'GroupSealed', 'JobFailed', 'LockReturned', 'JobsAdded', 'LaterType'), data: fc.oneof(fc.constant({}), fc.constant(undefined), fc.jsonValue()) }) },
)
const commit = fc
  .record(
    {
      aggregate: fc.oneof({ weight: 20, arbitrary: fc.constantFrom('group', 'lane') }, { weight: 1, arbitrary: fc.constantFrom('realm', 'site', '__proto__') }),
      id: text,
      revision: number,
      command: text,
      actor: text,
      epoch: number,
      cause: rarely(fc.record({ aggregate: text, id: text, revision: number })),
      correlation: text,
      events: some(event),
    },
    { requiredKeys: ['aggregate', 'id', 'revision', 'actor', 'events'] },
  )
  .map((made): Commit => made as Commit)
export const anyTurn = fc
  .record({ turn: fc.oneof(fc.constant(ulid), text), schema: rarely(fc.constantFrom(0, 2)).map((other) => other ?? 1), incarnation: number, number, timeMs: number, previous: rarely(text).map((other) => other ?? firstDigest), commits: some(commit) })
  .map((made): Turn => made)
