/** The log on three replicas: races, and the loss of the stream's leader (I5, DESIGN §5). */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { appendTurn } from '../../streams/append.ts'
import { encodeTurn, newUlid } from '../../streams/codec.ts'
import { firstDigest, schemaVersion } from '../../streams/envelope.ts'
import { connectCoordinator, type NatsCoordinator } from '../../streams/jetstream/connect.ts'
import { bytesOf } from '../conformance/realm.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsCluster } from '../support/nats-cluster.ts'

let cluster: TestNatsCluster
let first: NatsCoordinator
let second: NatsCoordinator
const lane = 'reeve.event.lane.here-1'

beforeEach(async () => {
  cluster = await TestNatsCluster.start()
  const connect = (name: string) =>
    connectCoordinator({ servers: cluster.urls, realm: 'reeve', name, clock: systemClock, random: systemRandom, create: true })
  // The cluster elects its own leader first.
  first = await eventually(() => connect('first'))
  second = await eventually(() => connect('second'))
})
afterEach(async () => {
  await first?.close()
  await second?.close()
  await cluster?.[Symbol.asyncDispose]()
})

function freshTurn(number: number) {
  const turn = newUlid(systemClock.nowMs(), systemRandom)
  const timeMs = systemClock.nowMs()
  return { turn, bytes: encodeTurn({ turn, schema: schemaVersion, incarnation: 1, number, timeMs, previous: firstDigest, commits: [] }) }
}

async function leaderOf(client: NatsCoordinator): Promise<string> {
  const answer = await client.connection.api<{ config: { num_replicas: number }; cluster: { leader: string } }>(`STREAM.INFO.${client.log.stream}`)
  if (!answer.ok) throw new Error(answer.error.description)
  expect(answer.value.config.num_replicas).toBe(3)
  return answer.value.cluster.leader
}

test('I5: of all who append on one position one wins; the others conflict or meet a write in flight (10164)', async () => {
  const counts: Record<string, number> = {}
  let expectedLast = 0
  for (let round = 0; round < 100; round++) {
    const racers = [first, second, first, second]
    const outcomes = await Promise.all(racers.map(({ log }, i) => log.append({ subject: lane, bytes: bytesOf(`${round} ${i}`), expectedLast })))
    for (const { kind } of outcomes) counts[kind] = (counts[kind] ?? 0) + 1
    const winners = outcomes.filter((outcome) => outcome.kind === 'landed')
    expect(winners).toHaveLength(1)
    expectedLast = winners[0]!.position
  }
  expect(await first.log.end()).toBe(100)
  expect(counts['landed']).toBe(100)
  expect(counts['busy']).toBeGreaterThan(0)
  expect((counts['busy'] ?? 0) + (counts['conflict'] ?? 0)).toBe(300)
})

test('two writers of one lane, the stream\'s leader killed: each turn stands once, and a follower reads them in order', async () => {
  const stop = new AbortController()
  const read: number[] = []
  const reading = (async () => {
    for await (const batch of second.log.read({ subjects: [lane], from: 1, signal: stop.signal })) read.push(...batch.map((message) => message.position))
  })()
  const landed: number[] = []
  const write = async (client: NatsCoordinator) => {
    for (let number = 1; number <= 100; ) {
      const expectedLast = (await eventually(async () => ({ position: (await client.log.last(lane))?.position ?? 0 }))).position
      const outcome = await appendTurn(client.log, systemClock, { subject: lane, ...freshTurn(number), expectedLast })
      if (outcome.kind === 'landed') {
        landed.push(outcome.position)
        number += 1
      } else {
        expect(outcome.kind).toBe('conflict')
      }
    }
  }
  const writing = Promise.all([write(first), write(second)])
  await eventually(() => landed.length >= 40)
  const leader = await leaderOf(first)
  await cluster.servers.get(leader)!.kill()
  await writing
  await eventually(() => read.length >= 200)
  stop.abort()
  await reading
  expect(new Set(landed).size).toBe(200)
  expect(read).toEqual([...landed].sort((a, b) => a - b))
})
