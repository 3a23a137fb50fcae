/** One run of the command line: arguments in, exit code out. */
import { exitNow, setExitCode } from '../platform/process.ts'
import { onOutClosed } from '../platform/terminal.ts'
import { endingOf, exitCodes } from './exit.ts'
import { complain } from './output.ts'
import { buildProgram } from './program.ts'

export async function runCommandLine(args: readonly string[]): Promise<void> {
  // `reeve log tail | head` is done when nobody reads any more.
  onOutClosed(() => exitNow(exitCodes.done))
  try {
    await buildProgram().parseAsync([...args], { from: 'user' })
  } catch (error) {
    const ending = endingOf(error)
    if (ending === undefined) {
      complain(error instanceof Error ? (error.stack ?? error.message) : String(error))
      complain('reeve: this is a fault of reeve itself')
      setExitCode(exitCodes.failed)
      return
    }
    ending.lines.forEach((line, index) => complain(index === 0 ? `reeve: ${line}` : `       ${line}`))
    setExitCode(ending.exitCode)
  }
}
