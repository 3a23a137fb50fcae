/** A short log written by hand: an instruction, a group whose jobs are lost, fail and are retried, the agents that did it. */
import type { RecordedEvent } from '../../machines/events.ts'
import { digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { type Cause, type Commit, firstDigest } from '../../streams/envelope.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { groupId, subjectsOf } from '../../streams/subjects.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import type { ReadMessages } from '../../src/replay/group.ts'
import { assigned, blocked, completed, failed, granted, opened, resolved, retried, returned, sealed, spec, succeeded, unblocked, unknown } from '../support/group-events.ts'

export const subjects = subjectsOf('reeve')
export const command = newUlid(1_800_000_000_000, systemRandom)
export const lane = 'east-1'
export const group = groupId(lane, command)
const startMs = 1_800_000_000_000

type Events = readonly RecordedEvent[]

export class Story {
  readonly coordinator: Coordinator = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom }).connect({ name: 'test', clock: systemClock })
  readonly #tails = new Map<string, { readonly position: number; readonly number: number; readonly previous: string }>()
  readonly #revisions = new Map<string, number>()
  #timeMs = startMs

  readonly read: ReadMessages = (options) => this.coordinator.log.read(options)

  /** One turn of one commit; returns its position. */
  async turn(subject: string, aggregate: string, id: string, actor: string, events: Events, more: { readonly command?: string; readonly cause?: Cause } = {}): Promise<number> {
    const key = `${aggregate} ${id}`
    const revision = (this.#revisions.get(key) ?? 0) + 1
    this.#revisions.set(key, revision + events.length - 1)
    const tail = this.#tails.get(subject) ?? { position: 0, number: 0, previous: firstDigest }
    this.#timeMs += 100
    const commit: Commit = { aggregate, id, revision, actor, ...more, events }
    const bytes = encodeTurn({ turn: newUlid(this.#timeMs, systemRandom), schema: 1, incarnation: 3, number: tail.number + 1, timeMs: this.#timeMs, previous: tail.previous, commits: [commit] })
    const outcome = await this.coordinator.log.append({ subject, bytes, expectedLast: tail.position })
    if (outcome.kind !== 'landed') throw new Error(`a turn of the story did not land: ${outcome.kind}`)
    this.#tails.set(subject, { position: outcome.position, number: tail.number + 1, previous: digestOf(bytes) })
    return outcome.position
  }

  group(actor: string, events: Events, more?: { readonly command?: string; readonly cause?: Cause }): Promise<number> {
    return this.turn(subjects.lane(lane), 'group', group, actor, events, more)
  }
}

const agentStarted = (instance: string, role: 'generic' | 'skilled') => ({ type: 'AgentStarted', data: { instance, role, region: 'east', skills: [], build: 'b1' } })

/**
 * Three jobs in two parts. Job 1 is lost with a1, then done by a2. Job 2 fails, its retry 4 is not known and settled as failed, whose
 * retry 5 succeeds. Job 3 was so already. Revisions of the group stand behind each line.
 */
export async function tell(): Promise<Story> {
  const story = new Story()
  const cause = { aggregate: 'instruction', id: command, revision: 1 }
  await story.turn(subjects.aggregate('realm', 'self'), 'realm', 'self', 'agent:a1', [{ type: 'RealmFounded', data: { format: 1, realm: 'r', constants: {}, digest: 'sha256' } }])
  await story.turn(subjects.aggregate('agent', 'a1'), 'agent', 'a1', 'agent:a1', [agentStarted('a1-i', 'generic')])
  await story.turn(subjects.aggregate('realm', 'self'), 'realm', 'self', 'agent:a1', [{ type: 'LeaderElected', data: { agent: 'a1', instance: 'a1-i' } }])
  await story.turn(subjects.aggregate('agent', 'a2'), 'agent', 'a2', 'agent:a2', [agentStarted('a2-i', 'generic')])
  await story.turn(subjects.lane(lane), 'lane', lane, 'agent:a1', [{ type: 'LaneTaken', data: { agent: 'a1', instance: 'a1-i' } }])
  await story.turn(subjects.aggregate('instruction', command), 'instruction', command, 'person:ada', [{ type: 'InstructionTaken', data: { lane, plan: 'a'.repeat(64), text: 'start three' } }], { command })
  await story.group('person:ada', [opened({ jobs: 3, parts: 2 })], { command, cause }) // 1
  const job = (service: string) => ({ ...spec, service })
  await story.group('service:s1', [{ type: 'JobsAdded', data: { part: 1, jobs: [job('vm-1'), job('vm-2')] } }], { cause }) // 2
  await story.group('service:s1', [{ type: 'JobsAdded', data: { part: 2, jobs: [job('vm-3')] } }, sealed], { cause }) // 3 4
  await story.group('agent:a1', [assigned({ first: 1, last: 1, agent: 'a1' }, { first: 2, last: 3, agent: 'a2' })]) // 5
  await story.group(`lane:${lane}`, [granted([[1, 1]], 'a1')]) // 6
  await story.turn(subjects.aggregate('agent', 'a1'), 'agent', 'a1', 'agent:a2', [{ type: 'AgentLost', data: { instance: 'a1-i' } }])
  await story.turn(subjects.aggregate('realm', 'self'), 'realm', 'self', 'agent:a2', [{ type: 'LeaderElected', data: { agent: 'a2', instance: 'a2-i' } }])
  await story.turn(subjects.lane(lane), 'lane', lane, 'agent:a2', [{ type: 'LaneTaken', data: { agent: 'a2', instance: 'a2-i' } }])
  await story.group('agent:a2', [returned(6, 'lost')]) // 7
  await story.group('agent:a2', [assigned({ first: 1, last: 1, agent: 'a2' })]) // 8
  await story.group(`lane:${lane}`, [granted([[1, 1]], 'a2')]) // 9
  await story.group('agent:a2', [succeeded(1, 9), granted([[2, 2]], 'a2')]) // 10 11
  await story.group('agent:a2', [failed(2, 11), blocked(2)]) // 12 13
  await story.group('person:ada', [retried(4, 2), unblocked], { command: newUlid(startMs, systemRandom) }) // 14 15
  await story.group(`lane:${lane}`, [granted([[4, 4]], 'a2')]) // 16
  await story.group('agent:a2', [unknown(4, 16), blocked(4)]) // 17 18
  await story.group('person:ada', [resolved(4, 'failed')]) // 19
  await story.group('person:ada', [retried(5, 4), unblocked]) // 20 21
  await story.group(`lane:${lane}`, [granted([[5, 5]], 'a2')]) // 22
  await story.group('agent:a2', [succeeded(5, 22), granted([[3, 3]], 'a2')]) // 23 24
  await story.group('agent:a2', [{ type: 'JobSucceeded', data: { job: 3, grant: 24, already: true } }, completed]) // 25 26
  return story
}
