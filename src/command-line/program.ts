/** The command tree of `reeve`: one file a noun. */
import { Command } from 'commander'
import { ownVersion } from '../platform/own-package.ts'
import { registerAgent } from './agent.ts'
import { registerChange } from './change.ts'
import { globalOptions } from './command.ts'
import { registerCompletion } from './completion.ts'
import { registerDoctor } from './doctor.ts'
import { CommandEnd, exitCodes, exitMeanings } from './exit.ts'
import { registerGroup } from './group.ts'
import { registerLog } from './log.ts'
import { registerMachine } from './machine.ts'
import { registerServe, registerSimulatedSite } from './programs.ts'
import { registerRealm } from './realm.ts'
import { registerCommand, registerLane } from './realm-commands.ts'
import { registerReplay } from './replay.ts'
import { registerService } from './service.ts'
import { registerSite } from './site.ts'
import { registerTrigger } from './trigger.ts'
import { registerUp } from './up.ts'

export function buildProgram(): Command {
  const program = globalOptions(new Command('reeve'))
    .description('Manages virtual computing services on many sites: changes become ordered jobs, agents carry them out, the log replays.')
    .version(ownVersion(), '--version', 'print the version')
    .helpCommand(false)
    .showSuggestionAfterError()
    .addHelpText('after', `\nExit codes: ${exitMeanings.map(([code, meaning]) => `${code} ${meaning.split(':')[0]!.split(';')[0]}`).join(' · ')}`)
  program.commandsGroup('Programs:')
  registerUp(program)
  registerAgent(program)
  registerServe(program)
  registerSimulatedSite(program)
  program.commandsGroup('Sites and changes:')
  registerSite(program)
  registerService(program)
  registerChange(program)
  registerGroup(program)
  registerTrigger(program)
  registerCommand(program)
  program.commandsGroup('Looking:')
  registerLane(program)
  registerRealm(program)
  registerReplay(program)
  registerLog(program)
  registerMachine(program)
  registerDoctor(program)
  registerCompletion(program)
  everyCommand(program, (command) => {
    command.exitOverride()
    command.configureOutput({ outputError: (text, write) => write(oneLine(text, pathOf(command))) })
    // What commander does with a noun without a verb: the same one line as for a wrong one, not a page on standard error.
    command.help = () => {
      const path = pathOf(command)
      const verbs = command.parent === null ? '' : `: ${command.commands.map((one) => one.name()).join(', ')}`
      throw new CommandEnd(exitCodes.usage, `"${path}" needs a command${verbs}; "${path} --help" says more`)
    }
  })
  return program
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

/** What commander says in two lines, or two sentences, in one. */
function oneLine(text: string, path: string): string {
  return text
    .replace(/^error: /, 'reeve: ')
    .replace(/\n\(Did you mean (.+)\?\)$/m, '; did you mean $1?')
    .replace(/unknown (?:command|option) '.*'$/m, `$&; "${path} --help" lists what there is`)
    .replace(
      /(?:command-argument value|option '[^']*?(--[\w-]+)[^']*' argument) '(.*)' is invalid(?: for argument '([^']*)')?\. (.)(.*?)\.?$/m,
      (_, option: string | undefined, value: string, argument: string, first: string, rest: string) => `${option ?? `<${argument}>`} cannot be '${value}': ${first.toLowerCase()}${rest}`,
    )
    .replace(/': allowed choices are /, "': use one of ")
}

export function everyCommand(command: Command, visit: (command: Command) => void): void {
  visit(command)
  for (const child of command.commands) everyCommand(child, visit)
}
