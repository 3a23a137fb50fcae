import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { createLogger } from '../../src/platform/logger.ts'

const folder = mkdtempSync(join(tmpdir(), 'reeve-logger-'))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test.each(['error', 'err'])('an error in the field "%s" is told with its message and stack', (field) => {
  const file = join(folder, 'log')
  createLogger({ name: 'x', level: 'info', file }).error({ [field]: new RangeError('out of range') }, 'a request ended in a fault')
  const line = JSON.parse(readFileSync(file, 'utf8')) as Record<string, { message: string; stack: string }>
  expect(line[field]).toMatchObject({ message: 'out of range', stack: expect.stringContaining('RangeError') as string })
})

// Linux: a file on a disk that is always full.
test.skipIf(!existsSync('/dev/full'))('a line that cannot be written is lost, and never the program with it', async () => {
  const logger = createLogger({ name: 'x', level: 'info', file: '/dev/full' })
  for (let number = 0; number < 100; number++) expect(() => logger.error({ number }, 'a line for a full disk')).not.toThrow()
  // What the file says of it comes later.
  await new Promise((resolve) => setImmediate(resolve))
})
