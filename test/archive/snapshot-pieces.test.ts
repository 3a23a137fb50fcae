/** A line of a snapshot of any length goes into the file of an archive in pieces, and comes out as it was. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type LogFileSnapshot, chainOfHeader, chainOfSnapshot, headerLine, logFileFormat, logFileVersion, snapshotLine, snapshotPieces, trailerLine } from '../../src/log-file/format.ts'
import { readLogFileWithTexts } from '../../src/log-file/read.ts'
import { firstDigest } from '../../streams/envelope.ts'

const mebi = 1024 * 1024
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-pieces-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function linesOf(pieces: readonly LogFileSnapshot[]): Promise<readonly string[]> {
  const header = headerLine({
    format: logFileFormat, version: logFileVersion, realm: 'reeve', incarnation: 1, from: 1, until: 1, subjects: ['reeve.event.lane.r-1'], redacted: false,
    archive: { lane: 'r-1', from: 1, number: 1, previous: firstDigest, turn: firstDigest, snapshot: firstDigest },
    digest: 'sha256-chain-1',
  })
  let chain = chainOfHeader(header)
  const lines = [header, ...pieces.map((piece) => snapshotLine(piece, (chain = chainOfSnapshot(chain, piece)))), trailerLine({ records: 0, texts: 0, chain })]
  const path = join(folder, 'archive.ndjson')
  await writeFile(path, lines.map((line) => `${line}\n`).join(''))
  const read: string[] = []
  for await (const { snapshot } of readLogFileWithTexts(path)) read.push(...snapshot)
  return read
}

test('lines of any length, characters of two units where they would be cut', async () => {
  const lines = ['', '{"head":1}', 'x'.repeat(mebi), `${'x'.repeat(mebi - 1)}😀${'y'.repeat(2 * mebi)}`, `${'x'.repeat(mebi)}z`]
  const pieces = lines.flatMap((line) => [...snapshotPieces(line)])
  expect(pieces.map(({ more }) => more)).toEqual([false, false, false, true, true, true, false, true, false])
  for (const { snapshot } of pieces) {
    expect(snapshot.length).toBeLessThanOrEqual(mebi)
    expect(snapshot.isWellFormed()).toBe(true)
  }
  expect(await linesOf(pieces)).toEqual(lines)
})

test('a line that does not go on is no line', async () => {
  await expect(linesOf([{ snapshot: 'half', more: true }])).rejects.toThrow(/archive\.ndjson, line 3: a line of the snapshot does not go on/)
})
