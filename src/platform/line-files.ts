/** Files of lines that may be longer than memory: read and written piece by piece. */
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A line longer than `limitBytes`, or a byte sequence that is not UTF-8. `line` counts from 1. */
export class UnreadableLine extends Error {
  override readonly name = 'UnreadableLine'
  readonly retryable = false
  readonly line: number
  constructor(line: number, what: string) {
    super(what)
    this.line = line
  }
}

const newline = 10
const piecesBytes = 256 * 1024

/**
 * Lines in batches, without their newlines; a last line without one is a line too. Memory is bounded by `limitBytes` and
 * the size of a piece. Throws `UnreadableLine` and the system's own errors.
 */
export async function* readLines(path: string, limitBytes: number): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let rest: Buffer = Buffer.alloc(0)
  let count = 0
  const decode = (bytes: Buffer): string => {
    count += 1
    if (bytes.length > limitBytes) throw new UnreadableLine(count, `is longer than ${limitBytes} bytes`)
    try {
      return decoder.decode(bytes)
    } catch {
      throw new UnreadableLine(count, 'is not UTF-8')
    }
  }
  for await (const piece of createReadStream(path, { highWaterMark: piecesBytes })) {
    const bytes: Buffer = rest.length === 0 ? (piece as Buffer) : Buffer.concat([rest, piece as Buffer])
    const lines: string[] = []
    let start = 0
    try {
      for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
        lines.push(decode(bytes.subarray(start, end)))
        start = end + 1
      }
    } catch (error) {
      if (lines.length > 0) yield lines
      throw error
    }
    rest = bytes.subarray(start)
    if (rest.length > limitBytes) throw new UnreadableLine(count + 1, `is longer than ${limitBytes} bytes`)
    if (lines.length > 0) yield lines
  }
  if (rest.length > 0) yield [decode(rest)]
}

export interface FileDraft {
  write(text: string): Promise<void>
  /** Syncs it and puts it into its place at once: who looks there sees the old file or the whole new one. */
  finish(): Promise<void>
  /** Removes the draft; what stood in its place stays. Idempotent, also after `finish`. */
  abandon(): Promise<void>
}

/** Begins a file beside its place. */
export async function beginFile(path: string): Promise<FileDraft> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`
  const file = await open(draft, 'wx', 0o600)
  let open_ = true
  const close = async () => {
    if (!open_) return
    open_ = false
    await file.close()
  }
  return {
    async write(text) {
      await file.writeFile(text)
    },
    async finish() {
      await file.sync()
      await close()
      await rename(draft, path)
      const folder = await open(dirname(path), 'r')
      await folder.sync().finally(() => folder.close())
    },
    async abandon() {
      await close()
      await rm(draft, { force: true })
    },
  }
}
