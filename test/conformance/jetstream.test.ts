import { getSha256Backend } from '@nats-io/obj'
import { expect, test } from 'vitest'
import { testAlarms } from './alarms.ts'
import { testBucket } from './bucket.ts'
import { testBus } from './bus.ts'
import { testEventLog } from './event-log.ts'
import { realmOnJetStream } from './jetstream-realm.ts'
import { testSnapshotStore } from './snapshot-store.ts'
import { testTextStore } from './text-store.ts'

testEventLog(realmOnJetStream)
testBucket(realmOnJetStream)
testBus(realmOnJetStream)
testSnapshotStore(realmOnJetStream)
testTextStore(realmOnJetStream)
testAlarms(realmOnJetStream)

test('digests of snapshots are made by the runtime: the client\'s own takes fifteen times as long', () => {
  expect(getSha256Backend()).toBe('native')
})
