/** Program files that we keep. */
import { chmod, copyFile, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder } from './folders.ts'

/** A copy that its owner may run; on the disk when this resolves. */
export async function copyProgram(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to))
  await copyFile(from, to)
  await chmod(to, 0o755)
  const file = await open(to, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
