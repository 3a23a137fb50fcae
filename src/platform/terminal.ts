/** What a person sees: standard output and standard error of this process. */
import { createInterface } from 'node:readline/promises'

/** Text as it is; nothing is added. */
export function writeOut(text: string): void {
  process.stdout.write(text)
}

export function writeError(text: string): void {
  process.stderr.write(text)
}

/** True where a person watches standard output, which may then be redrawn. */
export function outIsTerminal(): boolean {
  return process.stdout.isTTY === true
}

/** True where a person can be asked. */
export function inputIsTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true
}

/** Characters a line; 100 where it is not known. */
export function outColumns(): number {
  return process.stdout.columns ?? 100
}

/** Colours are wanted: a terminal, and neither NO_COLOR nor a dumb one. */
export function outTakesColour(): boolean {
  return outIsTerminal() && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
}

/** Resolves when what was written so far has left this process. */
export function outFlushed(): Promise<void> {
  return new Promise((resolve) => process.stdout.write('', () => resolve()))
}

/** Called when nobody reads standard output any more (`reeve log tail | head`). */
export function onOutClosed(listener: () => void): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // EIO: its terminal is gone.
    if (error.code === 'EPIPE' || error.code === 'EIO') listener()
    else throw error
  })
}

/** One line from the person; undefined when input ended. */
export async function askPerson(question: string): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return await new Promise<string | undefined>((resolve) => {
      lines.once('close', () => resolve(undefined))
      lines.question(question).then(resolve, () => resolve(undefined))
    })
  } finally {
    lines.close()
  }
}

export function commandLineArguments(): readonly string[] {
  return process.argv.slice(2)
}

export function workingFolder(): string {
  return process.cwd()
}

/** Replaces the last line of the terminal, which must not be longer than it is wide; nothing is written elsewhere. */
export function redrawLine(text: string): void {
  if (outIsTerminal()) process.stdout.write(`\r\u001b[2K${text}`)
}
