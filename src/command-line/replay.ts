/** `reeve replay`: a group at any point of the log, step by step, why a job was done, and two builds compared; from the live log or from an exported file. */
import { type Command, Option } from 'commander'
import { timeText } from '../platform/time-text.ts'
import { agentFolding, recordedOfAgent } from '../replay/agent-history.ts'
import { parseAt } from '../replay/at.ts'
import { replayGroup } from '../replay/group.ts'
import { groupFolding } from '../replay/group-history.ts'
import { recordedOfGroup } from '../replay/recorded.ts'
import { whyJob } from '../replay/why.ts'
import { acting, json, wholeNumber } from './command.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { printState } from './group.ts'
import { print, printJson, styled } from './output.ts'
import { compareWith, sayDigests } from './replay-compare.ts'
import { withLog } from './replay-log.ts'
import { demandTerminal, printSteps, walkThrough } from './replay-step.ts'
import { printWhy } from './replay-why.ts'
import { agentShows, groupShows } from './step-panel.ts'

export function registerReplay(program: Command): void {
  json(program.command('replay'))
    .summary('rebuild the state of a group at any point, step by step, and say why; compare two builds')
    .description(
      'Rebuilds the exclusive state of a group from the log alone, at any point of it: the live log, or a file written by "reeve log export", either with the archives that "reeve log archive" wrote. With --step it walks the history of a group or of an agent event by event (with --json: one line a step, with the state before and after); with --why it prints the chain of causes of one job, from the instruction to the write at the site. With --compare it runs the whole log through this build and another one, and names the first decision in which they differ: exit code 0 where they agree, 1 where they differ.',
    )
    .option('--group <ID>', 'id of the group')
    .addOption(new Option('--agent <ID>', 'id of the agent, with --step').conflicts(['group', 'why']))
    .option('--at <POINT>', 'a position (120), a revision (r7), or a time (2026-05-04T10:20:30Z); default: the end; with --step where to begin (with --json: to end)')
    .addOption(new Option('--step', 'walk through the history with keys').conflicts(['why']))
    .addOption(new Option('--why <JOB>', 'number of a job of the group: what led to it and what became of it').argParser(wholeNumber(1, 1_000_000)).conflicts(['at']))
    .addOption(new Option('--compare <DIR>', 'folder of another build of reeve, a clone or an installed package, that is run with the same log').conflicts(['group', 'agent', 'at', 'step', 'why']))
    .addOption(new Option('--digests <REQUEST>', 'what --compare asks a build for').conflicts(['group', 'agent', 'at', 'step', 'why', 'compare']).hideHelp())
    .option('--from <PATH...>', 'an exported file (no server is needed); or archives, or folders of them: followed by the exported file that is named too, else by the live log')
    .action(
      acting(async (settings, flags) => {
        if (flags['digests'] !== undefined) return sayDigests(settings, flags)
        if (flags['compare'] !== undefined) return compareWith(settings, flags)
        const at = parseAt(flags['at'] as string | undefined)
        const asJson = flags['json'] === true
        const step = flags['step'] === true
        const group = flags['group'] as string | undefined
        const agent = flags['agent'] as string | undefined
        const files = flags['from'] as readonly string[] | undefined
        if (agent !== undefined && !step) throw new CommandEnd(exitCodes.usage, '--agent needs --step: the history of an agent is walked through')
        if (agent === undefined && group === undefined) throw new CommandEnd(exitCodes.usage, 'name a group with --group ID, or with --step an agent with --agent ID')
        if (step) demandTerminal(asJson)
        await withLog(settings, files, async (read, subjects, until) => {
          if (agent !== undefined) {
            const history = recordedOfAgent(read, subjects, agent, until)
            return asJson ? printSteps(history, agentFolding(agent), at) : walkThrough(history, agentFolding(agent), agentShows, at)
          }
          if (step) {
            const history = recordedOfGroup(read, subjects, group!, until)
            return asJson ? printSteps(history, groupFolding(group!), at) : walkThrough(history, groupFolding(group!), groupShows, at)
          }
          if (flags['why'] !== undefined) {
            const why = await whyJob(read, subjects, group!, flags['why'] as number, until)
            return asJson ? printJson(why) : printWhy(why)
          }
          const replayed = await replayGroup(read, subjects, group!, at, until)
          if (asJson) return printJson(replayed)
          printState(replayed.state, replayed.position)
          print(styled('dim', `lane turn ${replayed.number}, ${timeText(replayed.timeMs)}, replayed from ${files?.join(', ') ?? 'the live log'}`))
        })
      }),
    )
}
