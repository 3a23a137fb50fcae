/** One agent as a process of its own: arguments are the options of `runAgentProgram` as JSON. */
import { type AgentProgramOptions, runAgentProgram } from '../../src/agent/program.ts'

const options = JSON.parse(process.argv[2]!) as AgentProgramOptions
const end = await runAgentProgram(options)
process.exitCode = end.kind === 'graceful' ? 0 : 1
