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
