/** Ctrl-C before an answer came: one line says what may have happened, and which command tells. */
import { exitNow, onStopSignal } from '../platform/process.ts'
import { CommandEnd, exitCodes } from './exit.ts'

export const nothingAsked = 'interrupted: nothing was asked for yet, and nothing is changed'

/** `group`: that the command was for, where it was for one. */
export function perhapsCarriedOut(command: string, group?: string): string {
  const withdraw = `reeve command withdraw ${command}${group === undefined ? '' : ` --group ${group}`}`
  return `interrupted before the answer came: command ${command} may have been carried out, or still be; "${withdraw}" says whether it was, and if not keeps it from happening`
}

/** The answer. Throws `CommandEnd` (interrupted) with `line` at a stop signal; a second one ends the program at once. `ask` asks no more once its signal is aborted. */
export async function answered<T>(line: string, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  let interrupt!: (error: CommandEnd) => void
  const interrupted = new Promise<never>((_resolve, reject) => (interrupt = reject))
  const signals = onStopSignal((_signal, again) => {
    stop.abort()
    interrupt(new CommandEnd(exitCodes.interrupted, line))
    if (again) exitNow(exitCodes.interrupted)
  })
  try {
    return await Promise.race([ask(stop.signal), interrupted])
  } finally {
    signals.stop()
  }
}
