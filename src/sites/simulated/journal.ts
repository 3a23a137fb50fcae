/**
 * The simulated site's journal: an append-only file of JSON lines, which is also its whole store. What the site holds is these lines,
 * folded; a change is made by the line that records it, so no crash can leave one half made.
 */
import { join } from 'node:path'
import { openAppendFile } from '../../platform/files.ts'
import type { AppendFile } from '../../platform/files.ts'
import type { Service } from '../../../machines/service/model.ts'
import type { FencingToken } from '../adapter.ts'
import type { CallOutcome, SimulatedOperation } from './protocol.ts'

export type JournalLine =
  | { readonly type: 'created'; readonly format: 1; readonly name: string; readonly services: number; readonly seed: string; readonly atMs: number }
  | {
      readonly type: 'arrived'
      readonly call: number
      readonly service: string
      readonly operation: SimulatedOperation
      readonly token: FencingToken
      readonly key: string
      readonly deadlineMs: number
      readonly atMs: number
    }
  | { readonly type: 'began'; readonly call: number; readonly atMs: number }
  | {
      readonly type: 'ended'
      readonly call: number
      readonly outcome: CallOutcome
      readonly atMs: number
      readonly repeatOf?: number
      readonly set?: Partial<Service>
    }
  /** Made at the site itself: by its console, or by the site as a user logged in or out. */
  | { readonly type: 'changed'; readonly service: string; readonly why: string; readonly set: Partial<Service>; readonly atMs: number }
  | { readonly type: 'added'; readonly service: Service; readonly atMs: number }
  | { readonly type: 'removed'; readonly service: string; readonly atMs: number }

export class JournalDamaged extends Error {
  override readonly name = 'JournalDamaged'
  readonly retryable = false
  constructor(path: string, line: number) {
    super(`line ${line} of ${path} is no journal line: the file was changed or damaged; restore it, or choose another data folder`)
  }
}

export interface Journal {
  /** The line counts at once; whoever answers on its strength waits for `synced`. */
  append(line: JournalLine): void
  synced(): Promise<void>
  close(): Promise<void>
}

/** Folds every line already there through `onLine`, and later ones as they are appended. Throws `JournalDamaged`, `FolderUnusable`. */
export async function openJournal(folder: string, onLine: (line: JournalLine) => void): Promise<Journal> {
  const path = join(folder, 'journal.jsonl')
  let count = 0
  const file: AppendFile = await openAppendFile(path, (text) => {
    count++
    onLine(parse(text, path, count))
  })
  return {
    append(line) {
      file.append(JSON.stringify(line))
      onLine(line)
    },
    synced: () => file.synced(),
    close: () => file.close(),
  }
}

function parse(text: string, path: string, number: number): JournalLine {
  try {
    const line = JSON.parse(text) as JournalLine | null
    if (line !== null && typeof line === 'object' && typeof line.type === 'string') return line
  } catch {
    // Reported below with its number.
  }
  throw new JournalDamaged(path, number)
}
