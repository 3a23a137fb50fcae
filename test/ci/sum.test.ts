/** `.ci/sum.mjs`: the one line at the end of `.ci/run`, and when it counts as a failure. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const program = fileURLToPath(new URL('../../.ci/sum.mjs', import.meta.url))
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-sum-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Reported {
  readonly statuses: readonly string[]
  /** Why the file itself failed, beside its tests. */
  readonly fileFailure?: string
  readonly success?: boolean
}

async function report(name: string, { statuses, fileFailure, success = true }: Reported): Promise<void> {
  const assertionResults = statuses.map((status, index) => ({ ancestorTitles: ['group'], title: `t${index}`, status }))
  const testResults = [{ name: join(process.cwd(), 'test/x.test.ts'), status: fileFailure === undefined ? 'passed' : 'failed', message: fileFailure ?? '', assertionResults }]
  await writeFile(join(folder, `${name}.json`), JSON.stringify({ success, testResults }))
}

function sum(failedSteps = 0) {
  const ended = spawnSync(process.execPath, [program, String(failedSteps), folder], { encoding: 'utf8' })
  const lines = ended.stdout.trimEnd().split('\n')
  return { code: ended.status, last: lines.at(-1), before: lines.slice(0, -1) }
}

describe('the sum of all tests', () => {
  test('adds up what passed', async () => {
    await report('unit', { statuses: ['passed', 'passed'] })
    await report('long', { statuses: ['passed'] })
    expect(sum()).toEqual({ code: 0, last: '3 passed, 0 failed', before: [] })
  })

  test('fails with what failed, and names it', async () => {
    await report('unit', { statuses: ['passed', 'failed'], success: false })
    await report('long', { statuses: ['passed'] })
    expect(sum(1)).toEqual({ code: 1, last: '2 passed, 1 failed', before: ['failed: test/x.test.ts › group › t1'] })
  })

  test('fails when something was skipped: a real peer was missing', async () => {
    await report('unit', { statuses: ['passed', 'skipped'] })
    await report('long', { statuses: ['passed'] })
    const { code, last, before } = sum()
    expect({ code, last }).toEqual({ code: 1, last: '2 passed, 0 failed, 1 skipped' })
    expect(before[0]).toBe('skipped: test/x.test.ts › group › t1')
  })

  test('counts a file that could not be loaded', async () => {
    await report('unit', { statuses: [], fileFailure: 'no such module\nat x', success: false })
    await report('long', { statuses: ['passed'] })
    expect(sum(1)).toEqual({ code: 1, last: '1 passed, 1 failed', before: ['failed: test/x.test.ts: no such module'] })
  })

  test('counts a run without a report, as when the types are wrong', async () => {
    await report('long', { statuses: ['passed'] })
    expect(sum(1)).toMatchObject({ code: 1, last: '1 passed, 1 failed' })
  })

  test('counts a run that failed outside of any test', async () => {
    await report('unit', { statuses: ['passed'], success: false })
    await report('long', { statuses: ['passed'] })
    expect(sum(1)).toMatchObject({ code: 1, last: '2 passed, 1 failed' })
  })

  test('counts a step that failed although its report is good', async () => {
    await report('unit', { statuses: ['passed'] })
    await report('long', { statuses: ['passed'] })
    expect(sum(1)).toMatchObject({ code: 1, last: '2 passed, 1 failed' })
  })
})
