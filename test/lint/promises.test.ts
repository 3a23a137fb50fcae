import { describe, expect, test } from 'vitest'
import { missing, readPromises } from './promises.ts'
import { readRepositoryFile, repositoryFiles } from './source.ts'

const files = repositoryFiles()

describe('docs/promises.md', () => {
  const rows = readPromises(readRepositoryFile('docs/promises.md'))

  test('lists what is promised', () => {
    expect(rows.length).toBeGreaterThan(0)
  })

  test('names for each promise what shows it, and all of that exists', () => {
    const wrong = rows.flatMap(({ promise, shownBy, line }) => {
      const absent = shownBy.length === 0 ? ['nothing shows it'] : shownBy.flatMap((reference) => missing(reference, files) ?? [])
      return absent.map((why) => `docs/promises.md:${line} ${promise}: ${why}`)
    })
    expect(wrong).toEqual([])
  })
})

describe('the check of promises', () => {
  const here = 'test/lint/promises.test.ts'

  test('reads cells with escaped bars, and several references', () => {
    const text = '# Promises\n\n| promise | shown by |\n| --- | --- |\n| a \\| b | test: x.test.ts › t; bench: r |\n| c | |\n\nend'
    expect(readPromises(text)).toEqual([
      { promise: 'a | b', shownBy: ['test: x.test.ts › t', 'bench: r'], line: 5 },
      { promise: 'c', shownBy: [], line: 6 },
    ])
  })

  test.each([
    `test: ${here} › names for each promise what shows it, and all of that exists`,
    `test: ${here} › docs/promises.md › lists what is promised`,
    'command: npm test',
    'command: npm run lint',
    'command: bash .ci/run',
  ])('finds %s', (reference) => {
    expect(missing(reference, files)).toBeUndefined()
  })

  test.each([
    `test: ${here} › of this title there is no test`,
    `test: ${here}`,
    'test: test/nowhere.test.ts › a',
    'test: package.json › name',
    'bench: of this name there is no row',
    'command: npm run nothing-of-this-name',
    'command: reeve nothing-of-this-name',
    'command: rm x',
    'a person looked',
  ])('does not find %s', (reference) => {
    expect(missing(reference, files)).toBeTypeOf('string')
  })
})
