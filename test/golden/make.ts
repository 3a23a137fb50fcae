/**
 * Records the scenes that have no golden history yet, with this very build: `node test/golden/make.ts`. What is there is never
 * written again: a history that a build does not replay to the byte any more is that build's fault, not the history's.
 */
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { laneSchema } from '../../machines/lane/snapshot.ts'
import { exportLog } from '../../src/log-file/export.ts'
import { readLogFile } from '../../src/log-file/read.ts'
import { digestLines, digestsVersions } from '../../src/replay/digests.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { fileOf, realmName, statesOf } from './history.ts'
import { scenes } from './scenes.ts'
import { recordedShape, shapeFile, shapeOfStates } from './shape.ts'
import { Stage } from './stage.ts'

const exists = (file: string) => access(file).then(() => true, () => false)

for (const { name, format, founded = format, play } of scenes) {
  const file = fileOf(format, name, 'log')
  if (await exists(file)) {
    console.log(`format ${format}, ${name}: is there, and stays as it is`)
    continue
  }
  const stage = await Stage.start(founded)
  try {
    await play(stage)
    await mkdir(dirname(file), { recursive: true })
    await exportLog(stage.coordinator.log, stage.coordinator.texts, { file, realm: realmName })
    const states = await statesOf(file)
    await writeFile(fileOf(format, name, 'states'), `${states.join('\n')}\n`)
    console.log(`format ${format}, ${name}: recorded, ${states.length} states`)
  } finally {
    await stage.end()
  }
}

// The shape of a lane's state, once for each version of it.
const recorded = await recordedShape()
if (recorded === undefined || recorded.schema < laneSchema) {
  await writeFile(shapeFile, `${JSON.stringify({ schema: laneSchema, shape: await shapeOfStates() }, null, 2)}\n`)
  console.log(`shape of the state, schema ${laneSchema}: recorded`)
}

// The last digest of each history, by version of the digests (digests.test.ts).
const digests = JSON.parse(await readFile(new URL('digests.json', import.meta.url), 'utf8').catch(() => '{}')) as Record<string, Record<string, string>>
for (const version of digestsVersions) {
  const known = (digests[version] ??= {})
  for (const { name, format } of scenes) {
    for await (const line of digestLines((options) => readLogFile(fileOf(format, name, 'log'), options), subjectsOf(realmName), { version, every: 1 }, '')) {
      if ('events' in line) known[`format-${format}/${name}`] ??= line.digest
    }
  }
}
await writeFile(new URL('digests.json', import.meta.url), `${JSON.stringify(digests, null, 2)}\n`)
