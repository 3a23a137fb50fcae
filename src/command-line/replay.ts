/** `reeve replay`: the state of a group at any point of the log, from the live log or from an exported file. */
import type { Command } from 'commander'
import { subjectsOf } from '../../streams/subjects.ts'
import { timeText } from '../platform/time-text.ts'
import { readLogFile, readLogFileHeader } from '../log-file/read.ts'
import { parseAt } from '../replay/at.ts'
import { type ReplayedGroup, replayGroup } from '../replay/group.ts'
import { acting, json } from './command.ts'
import { printState } from './group.ts'
import { print, printJson, styled } from './output.ts'
import { openLogForReading } from './session.ts'

export function registerReplay(program: Command): void {
  json(program.command('replay'))
    .summary('rebuild the state of a group at any point')
    .description('Rebuilds the exclusive state of a group from the log alone, at any point of it: the live log, or a file written by "reeve log export".')
    .requiredOption('--group <ID>', 'id of the group')
    .option('--at <POINT>', 'a position (120), a revision of the group (r7), or a time (2026-05-04T10:20:30Z); default: the end')
    .option('--from <FILE>', 'an exported file; no server is needed')
    .action(
      acting(async (settings, flags) => {
        const at = parseAt(flags['at'] as string | undefined)
        const group = flags['group'] as string
        const file = flags['from'] as string | undefined
        let replayed: ReplayedGroup
        if (file !== undefined) {
          const header = await readLogFileHeader(file)
          replayed = await replayGroup((options) => readLogFile(file, options), subjectsOf(header.realm), group, at)
        } else {
          const { coordinator, subjects } = await openLogForReading(settings)
          try {
            replayed = await replayGroup((options) => coordinator.log.read(options), subjects, group, at, await coordinator.log.end())
          } finally {
            await coordinator.close()
          }
        }
        if (flags['json']) return printJson(replayed)
        printState(replayed.state, replayed.position)
        print(styled('dim', `lane turn ${replayed.number}, ${timeText(replayed.timeMs)}, replayed from ${file ?? 'the live log'}`))
      }),
    )
}
