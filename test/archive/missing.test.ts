/** A folder that lacks archives of a log: one line names the files, and nothing is taken for removed. */
import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { decodeTurn } from '../../streams/codec.ts'
import { lanesBegunLater } from '../../src/archive/lanes.ts'
import { namedFiles } from '../../src/archive/merged.ts'
import { exportLog } from '../../src/log-file/export.ts'
import type { Finding } from '../../src/verification/finding.ts'
import { verifyFile, verifyLog } from '../../src/verification/verify.ts'
import { withLog } from '../../src/command-line/replay-log.ts'
import type { Settings } from '../../src/command-line/configuration.ts'
import { parseAt } from '../../src/replay/at.ts'
import { replayGroup } from '../../src/replay/group.ts'
import { type ArchiveStage, lanes, subjects, stageOfTest } from './stage.ts'

const [lane, other] = lanes

const started = stageOfTest()

/** One lane archived twice, the other once; a file of what is left. */
async function archived() {
  const stage = await started(8, 4)
  await stage.hold()
  const { log, texts } = stage.coordinator
  const group = decodeTurn((await log.first(subjects.lane(lane)))!.bytes).commits.find(({ aggregate }) => aggregate === 'group')!.id
  await stage.archive(lane)
  await stage.archive(lane, { olderThanMs: 0 })
  await stage.archive(other)
  const file = join(stage.folder, 'rest.log')
  await exportLog(log, texts, { file, realm: 'reeve', archived: await lanesBegunLater(log, subjects, lanes) })
  await mkdir(join(stage.folder, 'lost'))
  return { at: stage, log, file, group }
}

async function lose({ folder }: ArchiveStage, lost: (name: string) => boolean): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ndjson') && lost(name)).sort()
  for (const name of names) await rename(join(folder, name), join(folder, 'lost', name))
  return names
}

test.each(['the live log', 'an exported file'])('%s is not verified where archives are missing: all of them are named, in one line', async (which) => {
  const { at, log, file } = await archived()
  const findings: Finding[] = []
  const options = { onFinding: (finding: Finding) => void findings.push(finding) }
  const verify = async () => {
    const { archives } = await namedFiles([{ path: at.folder, isFolder: true }])
    return which === 'the live log' ? verifyLog(log, 'reeve', options, archives) : verifyFile(file, options, archives)
  }
  expect(await verify()).toMatchObject({ findings: 0 })

  const [newest] = await lose(at, (name) => name.includes(`.${lane}.`) && !name.includes('.1-'))
  expect(newest).toBeDefined()
  await expect(verify()).rejects.toMatchObject({
    name: 'ArchiveRefused',
    message: `archive ${newest} is missing: name the folder that has it with --archive too, or bring back what is lost from a backup`,
  })

  const [oldest] = await lose(at, (name) => name.includes(`.${lane}.`))
  await expect(verify()).rejects.toMatchObject({
    name: 'ArchiveRefused',
    message: `archives ${oldest}, ${newest} are missing: name the folders that have them with --archive too, or bring back what is lost from a backup`,
  })
  expect(findings).toEqual([])
})

test('turns of which no record says that they were archived are no missing archive: they were removed', async () => {
  const stage = await started(6, 3)
  await stage.hold()
  await stage.archive(lane)
  const { log } = stage.coordinator
  stage.realm.purge(subjects.lane(other), (await log.first(subjects.lane(other)))!.position)
  const findings: Finding[] = []
  await verifyLog(log, 'reeve', { onFinding: (finding) => void findings.push(finding) }, (await namedFiles([{ path: stage.folder, isFolder: true }])).archives)
  expect(findings.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['missing-position', 'number']))
})

test('replay of an exported file that needs archives: what it asks for can be given as it stands', async () => {
  const { at, file, group } = await archived()
  const replay = (...paths: readonly string[]) => withLog({} as Settings, paths, async (read, of, until) => void (await replayGroup(read, of, group, parseAt(undefined), until)))
  await replay(file, at.folder)
  await expect(replay(file)).rejects.toMatchObject({ code: 'archived', message: expect.stringMatching(/were archived; name the folder of the archives too: --from \S+rest\.log DIR$/) })
})
