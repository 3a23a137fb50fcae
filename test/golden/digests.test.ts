/**
 * What is said of a log to another build must stay what it was, or builds cannot be compared: the last digest of every golden history, version by version.
 * Where one differs: a fold or a decision has changed (then that is to be looked at), or a view has (then it is another version of the digests).
 */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { digestLines, digestsVersions } from '../../src/replay/digests.ts'
import { readLogFile } from '../../src/log-file/read.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { fileOf, realmName } from './history.ts'
import { scenes } from './scenes.ts'

const recorded = JSON.parse(await readFile(new URL('digests.json', import.meta.url), 'utf8')) as Record<string, Record<string, string>>

test('each version is recorded, of each history', () => {
  expect(Object.keys(recorded)).toEqual(digestsVersions.map(String))
  for (const digests of Object.values(recorded)) expect(Object.keys(digests).sort()).toEqual(scenes.map(({ format, name }) => `format-${format}/${name}`).sort())
})

test.each(scenes.flatMap(({ format, name }) => digestsVersions.map((version) => [format, name, version] as const)))('format %i, %s: what this build says of it to another one is what was said before', async (format, name, version) => {
  let last: object = {}
  for await (const line of digestLines((options) => readLogFile(fileOf(format, name, 'log'), options), subjectsOf(realmName), { version, every: 1 }, 'any')) last = line
  expect(last).not.toHaveProperty('stopped')
  expect(last).toHaveProperty('digest', recorded[version]![`format-${format}/${name}`])
})
