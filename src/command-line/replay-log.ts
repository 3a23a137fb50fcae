/** The log that a replay reads: an exported file, or the live one as it is now. */
import { type Subjects, subjectsOf } from '../../streams/subjects.ts'
import { readLogFile, readLogFileHeader } from '../log-file/read.ts'
import type { ReadMessages } from '../replay/group.ts'
import type { Settings } from './configuration.ts'
import { openLogForReading } from './session.ts'

/** `until`: the end of the live log as it is now. */
export async function withLog(settings: Settings, file: string | undefined, use: (read: ReadMessages, subjects: Subjects, until: number | undefined) => Promise<void>): Promise<void> {
  if (file !== undefined) {
    const header = await readLogFileHeader(file)
    return use((options) => readLogFile(file, options), subjectsOf(header.realm), undefined)
  }
  const { coordinator, subjects } = await openLogForReading(settings)
  try {
    await use((options) => coordinator.log.read(options), subjects, await coordinator.log.end())
  } finally {
    await coordinator.close()
  }
}
