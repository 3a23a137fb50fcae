/** Who reads what was archived is told that it is not there: a part that is exported, and a log that is shown. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lanesBegunLater } from '../../src/archive/lanes.ts'
import { groupNotHere, lanesNotHere, notHereText } from '../../src/archive/not-here.ts'
import { exportLog } from '../../src/log-file/export.ts'
import { selectionOf } from '../../src/log-file/selection.ts'
import type { ServiceContext } from '../../src/service/context.ts'
import { logHandlers } from '../../src/service/handle-log.ts'
import { placesOf, placesText } from '../../src/up/group-places.ts'
import { compareWithFile, verifyFile } from '../../src/verification/verify.ts'
import type { ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import { logApi } from '../../streams/api/log.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { lanes, subjects, stageOfTest } from './stage.ts'

const [lane, other] = lanes

const started = stageOfTest()

/** One of two lanes archived, and a group of each. */
async function archived() {
  const stage = await started(8, 4)
  await stage.hold()
  const { log } = stage.coordinator
  const groupOf = async (of: string) => decodeTurn((await log.first(subjects.lane(of)))!.bytes).commits.find(({ aggregate }) => aggregate === 'group')!.id
  const [gone, there] = [await groupOf(lane), await groupOf(other)]
  const { number } = (await stage.archive(lane)).archived!
  const first = (await log.first(subjects.lane(lane)))!.position
  const { read } = logHandlers({ coordinator: stage.coordinator, subjects } as ServiceContext)
  const asked = async (request: ApiRequest<'log', 'read'>) => (await read(logApi.read.request.parse(request))) as ApiSuccess<'log', 'read'>
  return { at: stage, log, number, first, gone, there, asked }
}

test('a log that is shown from a position on: lanes whose archived turns may stand behind it', async () => {
  const { number, first, gone, there, asked } = await archived()
  expect(await lanesNotHere(asked, lanes, 1)).toEqual([{ lane, number }])
  expect(await lanesNotHere(asked, lanes, first + 1)).toEqual([])
  expect(await groupNotHere(asked, gone, 1)).toEqual([{ lane, number }])
  expect(await groupNotHere(asked, gone, first + 1)).toEqual([])
  expect(await groupNotHere(asked, there, 1)).toEqual([])
  // All of a group that began when older turns of its lane were archived already.
  const later: typeof asked = async (request) => ({ ...(await asked({ ...request, id: there })), archived: number })
  expect(await groupNotHere(later, there, 1)).toEqual([])
  expect(notHereText([{ lane, number }], gone)).toBe(`turns 1 to ${number} of lane ${lane} are in archives and not in this: "reeve replay --group ${gone} --step --from DIR" reads them too, DIR the folder of the archives`)
})

test('where the turns of a group stand, archived or not: no position is said that is not known', async () => {
  const { log, gone, there, asked } = await archived()
  const end = await log.end()
  const files = (group: string) => `"reeve replay --group ${group} --step --from DIR" reads them all, DIR the folder of the archives; the log ends at ${end}.`
  expect(placesText(await placesOf(asked, gone))).toBe(`Its turns are in archives; ${files(gone)}`)
  const all = await placesOf(asked, there)
  expect(all.whole).toBe(true)
  expect(placesText(all)).toMatch(new RegExp(`^Its turns stand at positions \\d+ to \\d+; the log ends at ${end}\\.$`))
  // Page by page the same; and of one whose beginning alone is archived.
  expect(await placesOf((request) => asked({ ...request, limit: 1 }), there)).toEqual(all)
  const { first, last } = all.stands!
  const rest = await placesOf((request) => asked({ ...request, from: Math.max(request.from ?? 1, first + 1) }), there)
  expect(placesText(rest)).toBe(`Its turns are in archives, and at positions ${rest.stands!.first} to ${last}; ${files(there)}`)
  expect(rest.stands!.first).toBeGreaterThan(first)
})

test('an exported part knows whose beginning it lacks, and one from a position on says so in its header', async () => {
  const { at, log, first, gone, there } = await archived()
  const { texts } = at.coordinator
  for (const [group, lacking] of [[gone, 1], [there, 0]] as const) {
    const selection = selectionOf(subjects, { aggregates: [{ aggregate: 'group', id: group }] })
    await exportLog(log, texts, { file: join(at.folder, `${group}.log`), realm: 'reeve', selection })
    expect(selection.notBegun.size).toBe(lacking)
  }
  const later = await lanesBegunLater(log, subjects, lanes, 5)
  expect(later).toMatchObject([{ lane }])
  expect(await lanesBegunLater(log, subjects, [lane, other], first)).toEqual([])
  const file = join(at.folder, 'part.log')
  await exportLog(log, texts, { file, realm: 'reeve', from: 5, archived: later })
  const onFinding = ({ text }: { readonly text: string }) => expect.fail(text)
  expect(await verifyFile(file, { onFinding })).toMatchObject({ findings: 0 })
  expect(await compareWithFile(log, 'reeve', file, { onFinding })).toMatchObject({ findings: 0 })
})
