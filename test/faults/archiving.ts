/** Archives every lane, and dies by its own hand (kill -9) at a named place: URL, folder, age in ms, failpoint. Run as a process of its own. */
import { archiveLane } from '../../src/archive/archive.ts'
import { folderShelf } from '../../src/archive/shelf.ts'
import { realmOf } from '../../src/archive/lanes.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { subjectsOf } from '../../streams/subjects.ts'

const [url, folder, age, dies] = process.argv.slice(2) as [string, string, string, string]
const subjects = subjectsOf('reeve')
const coordinator = await connectCoordinator({ servers: [url], realm: 'reeve', name: 'archiving', clock: systemClock, random: systemRandom, create: false })
const { constants, lanes } = await realmOf(coordinator.log, subjects)
const context = { coordinator, subjects, clock: systemClock, random: systemRandom, constants, logger: { info() {}, warn() {}, debug() {} } }
for (const { lane } of lanes) {
  const failpoint = async (name: string) => {
    if (name === dies) process.kill(process.pid, 'SIGKILL')
  }
  await archiveLane(context, { lane, shelf: folderShelf(folder, coordinator), olderThanMs: Number(age), actor: 'program:test', signal: new AbortController().signal, failpoint })
}
await coordinator.close()
