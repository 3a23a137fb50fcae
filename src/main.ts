/** The program `reeve`. `command-line/program.ts` lists its commands. */
import { keepCompiledCode } from './platform/compile-cache.ts'
import { surviveLostSockets } from './platform/lost-socket.ts'
import { commandLineArguments } from './platform/terminal.ts'

keepCompiledCode()
surviveLostSockets()
// Loaded after that, so that its code is kept too.
const { runCommandLine } = await import('./command-line/run.ts')
await runCommandLine(commandLineArguments())
