/** What `log archive` says where lanes are refused: a line a reason, not a line a lane. */
import { expect, test } from 'vitest'
import { refusalLines } from '../../src/command-line/log-archive.ts'

const lost = (lane: string, number: number) => [lane, `the newest archive of lane ${lane} is not there: /a/reeve.1.${lane}.1-${number}.ndjson is missing`] as const

test('lanes that are refused alike are named in one line, each lane once', () => {
  expect(refusalLines([])).toEqual([])
  expect(refusalLines([lost('here-1', 7)])).toEqual(['the newest archive of lane here-1 is not there: /a/reeve.1.here-1.1-7.ndjson is missing'])
  expect(refusalLines([lost('here-1', 7), ['here-2', 'nothing is archived'], lost('here-3', 12), lost('here-4', 1)])).toEqual([
    'the newest archive of lane here-1 is not there: /a/reeve.1.here-1.1-7.ndjson is missing; the same holds for lanes here-3, here-4',
    'lane here-2: nothing is archived',
  ])
})
