import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { generatedPages, generatedPictures } from '../../src/docs/pages.ts'
import { subjectCatalogue } from '../../streams/subject-catalogue.ts'
import { subjectsOf } from '../../streams/subjects.ts'

test.each(generatedPages().map((page) => [page.path, page.text] as const))('%s is what the catalogues say (else: node ops/generate-docs.ts)', async (path, text) => {
  expect(await readFile(new URL(`../../${path}`, import.meta.url), 'utf8')).toBe(text)
})

test('the pictures of the machines are what their definitions say (else: node ops/generate-docs.ts)', async () => {
  for (const { path, text } of await generatedPictures()) {
    expect(await readFile(new URL(`../../${path}`, import.meta.url), 'utf8'), path).toBe(text)
  }
})

test('every subject that can be built stands in the catalogue once', () => {
  const subjects = subjectsOf('reeve')
  const listed = subjectCatalogue(subjects).map(({ subject }) => subject)
  expect(new Set(listed).size).toBe(listed.length)
  const shapes = listed.map((subject) => subject.replaceAll(/<[a-z]+>/g, 'x'))
  const built = [
    subjects.lane('x'),
    subjects.pingLane('x', 'x'),
    subjects.releaseLane('x', 'x'),
    subjects.api('x', 'x'),
    subjects.feed('x', 'x'),
    subjects.inspect('x', 'x'),
    subjects.laneAnnounced('x'),
  ]
  expect(shapes).toEqual(expect.arrayContaining(built))
})
