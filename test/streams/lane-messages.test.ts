/** Anybody may publish on the subjects of lanes and agents: what is not as documented never gets further than its reader. */
import { describe, expect, test } from 'vitest'
import { MalformedMessage, toBytes } from '../../streams/coordination.ts'
import { readAnnounced, readAnswer, readAssigned, readGrants, readLaneCommand, readReleaseRequest, readWorkAnswer, readWorkRequest } from '../../streams/lane-messages.ts'

const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
const group = `here-1-${id}`
const plan = 'a'.repeat(64)
const builtOn = { incarnation: 1, number: 0 }
const spec = { site: 's', service: 'd 1', operation: { name: 'rename', to: 'n' }, skill: { name: 'simulated', need: 'required' }, repeatable: true, after: [[1, 2]], compensate: { name: 'start' } }
const work = {
  builtOn,
  agent: 'a',
  instance: 'i',
  capacity: 4,
  held: [{ group, grant: 3 }],
  outcomes: [
    { group, grant: 3, job: 1, outcome: { kind: 'succeeded', already: true } },
    { group, grant: 3, job: 2, outcome: { kind: 'failed', reason: { code: 'c', text: 't' } } },
  ],
  stopped: [],
  asks: { group, job: 1 },
  byName: true,
}
const open = { kind: 'open', name: 'n', jobs: 1, parts: 1, plan, window: 1, region: 'here', distributionFactor: 100, trigger: { trigger: 't', atMs: 5 } }
const assignments = [{ first: 1, last: 2, agent: 'a' }]
const bodies = [
  open,
  { kind: 'add', plan, part: 1, jobs: [spec] },
  { kind: 'seal', plan },
  { kind: 'assign', assignments, ifRevision: 1 },
  { kind: 'expire', grant: 3 },
  { kind: 'resolve', job: 1, as: 'failed' },
  { kind: 'prioritize', priority: -3 },
  { kind: 'withdraw', withdrawn: id },
  { kind: 'pause' },
]
const commandOf = (body: unknown) => ({ builtOn, command: id, group, actor: 'person:x', epoch: 2, cause: { aggregate: 'trigger', id: 't', revision: 1 }, body })
const grants = { lane: 'here-1', incarnation: 1, number: 2, grants: [{ group, grant: 3, agent: 'a', instance: 'i', incarnation: 1, callDeadlineMs: 5, jobs: [{ job: 1, spec }] }], stops: [], yields: [] }

const { service: _service, after: _after, ...kindSpec } = spec
const short = { agent: 'a', instance: 'i', incarnation: 1, callDeadlineMs: 5, kinds: [{ unordered: true, spec: kindSpec }], grants: [[group, 4, 0, 1, 'd 1', 'd 2'], ['', 5, 0, 3, 'd 3']] }

/** What is said in full is read as it was sent. */
const whole: readonly (readonly [name: string, read: (bytes: Uint8Array) => unknown, value: unknown])[] = [
  ['work', readWorkRequest, work],
  ...bodies.map((body) => [`command ${body.kind}`, readLaneCommand, commandOf(body)] as const),
  ['grants', readGrants, grants],
  ['assigned', readAssigned, { lane: 'here-1', assignments: [{ group, first: 1, last: 2 }] }],
  ['announced', readAnnounced, { lane: 'here-1', agent: 'a', instance: 'i', incarnation: 1, number: 2 }],
  ['release', readReleaseRequest, { lane: 'here-1', asker: 'a', mappingRevision: 2 }],
  ['answer', readAnswer, { kind: 'taken' }],
  ['answer to a request for work', readWorkAnswer, { kind: 'taken', number: 2, queued: 0, grants: grants.grants, stops: [] }],
]
const inShort: typeof whole = [
  ['work in short', readWorkRequest, { ...work, outcomes: [...work.outcomes, ['', 4, 1, 3], [group, 5, 1, 1]] }],
  ['grants in short', readGrants, { ...grants, short }],
  ['answer in short', readWorkAnswer, { kind: 'taken', number: 2, queued: 0, grants: grants.grants, stops: [], short }],
]

/** The value once for each place in it, with something else there. */
function* damaged(value: unknown): Generator<unknown> {
  for (const other of [null, {}, 'a b.>', -1.5]) yield other
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    for (const bad of damaged(inner)) yield Array.isArray(value) ? value.map((item, index) => (String(index) === key ? bad : item)) : { ...value, [key]: bad }
  }
}

describe('messages of lanes and agents', () => {
  test.each(whole)('%s is read as it was sent, with keys that this build does not know', (_name, read, value) => {
    const sent = { ...(value as object), ofANewerBuild: [1] }
    expect(read(toBytes(sent))).toEqual(sent)
  })

  test.each([...whole, ...inShort])('%s: whatever is damaged in it, the reader answers with a value or MalformedMessage', (_name, read, value) => {
    let refused = 0
    for (const bad of damaged(value)) {
      try {
        read(toBytes(bad))
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMessage)
        refused += 1
      }
    }
    expect(refused).toBeGreaterThan(0)
  })

  test('what would stand in the log for ever is judged: no outcome without its reason, no job without its operation, no withdrawal of nothing', () => {
    const outcome = { group, grant: 3, job: 1, outcome: { kind: 'failed' } }
    const { operation: _operation, ...jobWithout } = spec
    expect(() => readWorkRequest(toBytes({ ...work, outcomes: [outcome] }))).toThrow(MalformedMessage)
    expect(() => readLaneCommand(toBytes(commandOf({ kind: 'add', plan, part: 1, jobs: [jobWithout] })))).toThrow(MalformedMessage)
    for (const withdrawn of [undefined, {}, 'x']) expect(() => readLaneCommand(toBytes(commandOf({ kind: 'withdraw', withdrawn })))).toThrow(MalformedMessage)
    expect(() => readLaneCommand(toBytes({ ...commandOf({ kind: 'pause' }), actor: 'x'.repeat(500_000) }))).toThrow(MalformedMessage)
  })

  test('a kind of command that this build does not know is the holder\'s to refuse', () => {
    expect(readLaneCommand(toBytes(commandOf({ kind: 'later', what: 1 }))).body).toEqual({ kind: 'later', what: 1 })
  })
})
