/** The checks over the whole repository. */
import { describe, expect, test } from 'vitest'
import { disabledTests, effectsOutsidePorts, importsThatBreak, registryHosts, tooLong, type Broken } from './rules.ts'
import { isCode, readRepositoryFile, repositoryFiles, SourceFile } from './source.ts'

const files = repositoryFiles()
const product = files.filter((path) => isCode(path) && /^(machines|streams|src)\//.test(path)).map((path) => new SourceFile(path))
const tests = files.filter((path) => isCode(path) && path.startsWith('test/')).map((path) => new SourceFile(path))

/** One line each, so that a failure reads as a list. */
function lines(broken: readonly Broken[]): readonly string[] {
  return broken.map(({ path, line, why }) => `${path}:${line} ${why}`)
}

describe('the repository', () => {
  test('folders import only what they may (DESIGN §1)', () => {
    expect(product.length).toBeGreaterThan(10)
    expect(lines(product.flatMap(importsThatBreak))).toEqual([])
  })

  test('time, randomness and I/O are reached through ports', () => {
    expect(lines(product.flatMap(effectsOutsidePorts))).toEqual([])
  })

  test('no file of code is too long', () => {
    expect(lines([...product, ...tests].flatMap(tooLong))).toEqual([])
  })

  test('no test is switched off', () => {
    expect(lines(tests.flatMap(disabledTests))).toEqual([])
  })

  test('a printed count and its noun agree: "1 job", by `counted`', () => {
    const byHand = /\$\{(?!counted)[^}]*(?<!Limit)\} (?:jobs|services|sites|agents|lanes|groups|triggers|turns|texts|records|streams|parts)\b/
    const found = product.flatMap(({ path }) => readRepositoryFile(path).split('\n').flatMap((line, index) => (byHand.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [])))
    expect(found).toEqual([])
  })

  test('no registry is named', () => {
    expect(lines(files.filter(isText).flatMap((path) => registryHosts(path, readRepositoryFile(path))))).toEqual([])
  })

  test.each(['machines', 'streams', 'src', 'test', 'ops', 'docs'])('%s/ says what is in it', (folder) => {
    expect(files).toContain(`${folder}/README.md`)
    const text = readRepositoryFile(`${folder}/README.md`)
    expect(text.split('\n').filter((line) => line.trim() !== '').length).toBeGreaterThanOrEqual(5)
  })

  test('the compiler checks every folder of code', () => {
    const include = (JSON.parse(readRepositoryFile('tsconfig.json')) as { include: readonly string[] }).include
    expect(include).toEqual(expect.arrayContaining(['machines', 'streams', 'src', 'test']))
  })
})

function isText(path: string): boolean {
  return !/\.(png|jpe?g|gif|ico|woff2?|gz|tgz|zst|br|wasm|db)$/.test(path)
}
