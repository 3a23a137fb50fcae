/**
 * Resident memory of an export and an import, by how many changes there were: each left an instruction, the text of its plan and a group of one job that has
 * ended, which is the most that a log can hold of things that are over.
 */
import { join } from 'node:path'
import { grantLock, takeOutcome } from '../../machines/execution-group/decide/locks.ts'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { absentGroup, headJob } from '../../machines/execution-group/state.ts'
import type { InstructionEvent } from '../../machines/instruction/instruction.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { encodeTurn, newUlid } from '../../streams/codec.ts'
import { type Commit, firstDigest, schemaVersion } from '../../streams/envelope.ts'
import { groupId, laneName } from '../../streams/subjects.ts'
import { LaneWriter } from './lane-writer.ts'
import { inProcess } from './log-file.ts'
import { rehearsal } from './realm.ts'
import { type Row, compared } from './row.ts'
import { type BenchWorld, benchRealm } from './world.ts'

const few = 50_000
const many = 3 * few
const atOnce = 100
const lane = laneName('here', 1)
const spec = rehearsal('bench')
const request = { agent: 'bench', instance: '01ARZ3NDEKTSV4RRFFQ69G5FAV', credit: 1, callDeadlineMs: 10_000 }

export async function changeRows(world: BenchWorld): Promise<Row[]> {
  const { log } = world.coordinator
  await joinRealm({ log, clock: systemClock, random: systemRandom }, world.subjects, { actor: 'program:bench', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  const writer = new LaneWriter(world, lane)
  await fillChanges(world, writer, few)
  const first = await peaks(world, 'few')
  await fillChanges(world, writer, many - few)
  const second = await peaks(world, 'many')
  const row = (how: 'export' | 'import') =>
    compared(`${how}-memory-changes`, `most resident memory of the process that ${how}s a log of ${many} changes of one job each with their texts, to one of ${few}`, 'MiB', second[how], first[how])
  return [row('export'), row('import')]
}

/** In MiB. */
async function peaks(world: BenchWorld, name: string): Promise<{ readonly export: number; readonly import: number }> {
  const { log } = world.coordinator
  const place = { url: world.server.url, file: join(world.folder, `${name}.ndjson`), stream: world.subjects.streamName(log.incarnation) }
  const exported = await inProcess({ ...place, how: 'export', realm: benchRealm })
  const imported = await inProcess({ ...place, how: 'import', realm: `again${name}` })
  if (exported.turns !== (await log.end())) throw new Error(`${exported.turns} turns were exported of ${await log.end()}`)
  return { export: Math.round(exported.peakBytes / 2 ** 20), import: Math.round(imported.peakBytes / 2 ** 20) }
}

async function fillChanges(world: BenchWorld, writer: LaneWriter, count: number): Promise<void> {
  const { log, texts } = world.coordinator
  for (let made = 0; made < count; made += atOnce) {
    const commands = Array.from({ length: atOnce }, () => newUlid(Date.now(), systemRandom))
    const plans = commands.map((command) => new TextEncoder().encode(JSON.stringify({ command, jobs: [spec] })))
    await texts.putMany(plans)
    const digests = await Promise.all(plans.map((bytes) => texts.put(bytes)))
    await Promise.all(
      commands.map(async (command, index) => {
        const taken: InstructionEvent = { type: 'InstructionTaken', data: { lane, plan: digests[index]!, text: 'rehearse at bench' } }
        const commits = [{ aggregate: 'instruction', id: command, revision: 1, actor: 'person:bench', command, events: [taken] }]
        const bytes = encodeTurn({ turn: newUlid(Date.now(), systemRandom), schema: schemaVersion, incarnation: log.incarnation, number: 1, timeMs: Date.now(), previous: firstDigest, commits })
        const outcome = await log.append({ subject: world.subjects.aggregate('instruction', command), bytes, expectedLast: 0 })
        if (outcome.kind !== 'landed') throw new Error(`append ended as ${outcome.kind}`)
      }),
    )
    await writer.append(commands.map((command, index) => wholeLife(writer, command, digests[index]!)))
  }
}

function wholeLife(writer: LaneWriter, command: string, plan: string): Commit {
  const state = absentGroup(groupId(lane, command))
  const opened = { name: 'bench', decision: 1, jobs: 1, parts: 1, plan, order: 'strict', mode: 'jobs', window: 1, region: 'here', distributionFactor: 100 } as const
  const begun = writer.commit(state, [
    { type: 'GroupOpened', data: opened },
    { type: 'JobsAdded', data: { part: 1, jobs: [spec] } },
    { type: 'GroupSealed', data: {} },
    { type: 'JobsAssigned', data: { assignments: [{ first: 1, last: 1, agent: 'bench' }] } },
  ])
  const events: GroupEvent[] = [...(begun.events as readonly GroupEvent[])]
  for (const decide of [() => grantLock(state, request), () => takeOutcome(state, state.grant!.revision, headJob(state)!, { kind: 'succeeded' })]) {
    const decision = decide()
    if (decision.kind !== 'events') throw new Error(`nothing was decided: ${decision.kind}`)
    events.push(...(writer.commit(state, decision.events).events as readonly GroupEvent[]))
  }
  return { ...begun, events }
}
