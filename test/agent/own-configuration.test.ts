/** The configuration that an agent goes by, in a bucket that may go and come back (I11). */
import { expect, test } from 'vitest'
import { OwnConfiguration } from '../../src/agent/own-configuration.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { type AgentConfigurationValue, agentConfigurationKey, toBytes } from '../../streams/coordination.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import { eventually } from '../support/eventually.ts'

const pushed = (revision: number, capacity: number): Uint8Array =>
  toBytes({
    agent: 'a1',
    configuration: { role: 'generic', region: 'here', adapters: [], skills: [], skilledOnly: false, capacity, holdsLanes: true },
    signature: { digest: String(capacity).padStart(64, '0'), revision, build: '1.0.0', leader: '1.0.0' },
    epoch: 1,
  } satisfies AgentConfigurationValue)

test('what is pushed into a bucket that was deleted and made anew is in force, though its revision there is lower', async () => {
  const realm = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom })
  const client = realm.connect({ name: 'a1', clock: systemClock })
  const { config } = client
  const own = new OwnConfiguration(config, 'a1')
  try {
    for (const capacity of [1, 2, 3]) await config.put(agentConfigurationKey('a1'), pushed(1, capacity))
    await eventually(() => own.inForce?.configuration.capacity === 3)
    realm.deleteBucket('config')
    await expect(config.get(agentConfigurationKey('a1'))).rejects.toMatchObject({ name: 'Unavailable' })
    expect(own.inForce?.configuration.capacity).toBe(3)
    await config.ensure()
    await config.put(agentConfigurationKey('a1'), pushed(2, 4))
    await eventually(() => own.inForce?.configuration.capacity === 4)
  } finally {
    own.stop()
    await client.close()
  }
})
