import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import type { WriteFault } from '../../streams/memory/faults.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { testAlarms } from './alarms.ts'
import { testBucket } from './bucket.ts'
import { testBus } from './bus.ts'
import { testEventLog } from './event-log.ts'
import type { Loss, RealmFactory } from './realm.ts'
import { testSnapshotStore } from './snapshot-store.ts'
import { testTextStore } from './text-store.ts'

const realmInMemory: RealmFactory = async () => {
  const losses = new Map<string, Loss>()
  const take = (key: string): WriteFault | undefined => {
    const lose = losses.get(key)
    losses.delete(key)
    return lose && { lose }
  }
  const realm = new MemoryRealm({
    realm: 'reeve',
    clock: systemClock,
    random: systemRandom,
    answerTimeoutMs: 300,
    faults: {
      append: ({ subject }) => take(subject),
      bucketWrite: ({ bucket, key }) => take(`${bucket}/${key}`),
    },
  })
  const clients: Coordinator[] = []
  return {
    realm: 'reeve',
    async connect(name) {
      const client = realm.connect({ name, clock: systemClock })
      clients.push(client)
      return client
    },
    loseNextAppend: (subject, loss) => void losses.set(subject, loss),
    loseNextBucketWrite: (bucket, key, loss) => void losses.set(`reeve_${bucket}/${key}`, loss),
    async interrupt() {
      realm.stop()
      realm.start()
    },
    stop: async () => realm.stop(),
    start: async () => realm.start(),
    raiseIncarnation: async () => void realm.raiseIncarnation(),
    deleteBucket: async (kind) => realm.deleteBucket(kind),
    purge: async (subject, upTo) => realm.purge(subject, upTo),
    deleteAlarms: async () => realm.deleteAlarms(),
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close()
    },
  }
}

testEventLog(realmInMemory)
testBucket(realmInMemory)
testBus(realmInMemory)
testSnapshotStore(realmInMemory)
testTextStore(realmInMemory)
testAlarms(realmInMemory)
