/** I12: a destructive command repeats what it is about to do, and waits for a yes. */
import { askPerson } from '../platform/terminal.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { clearStatus } from './output.ts'

/** Throws `CommandEnd` (refused) unless the person said yes, before or now. */
export async function confirm(what: string, said: boolean, canAsk: boolean): Promise<void> {
  if (said) return
  if (!canAsk) throw new CommandEnd(exitCodes.refused, `this would ${what}: repeat it with --yes`)
  clearStatus()
  const answer = await askPerson(`${what}? [y/N] `)
  if (!/^y(es)?$/i.test(answer?.trim() ?? '')) throw new CommandEnd(exitCodes.refused, 'nothing was done')
}
