/** `reeve command`, `reeve lane`: settling commands, looking at lanes. */
import type { Command } from 'commander'
import { acting, actorOf, dryRun, json, ulidArgument } from './command.ts'
import { print, printJson, printTable } from './output.ts'
import { withSession } from './session.ts'

export function registerCommand(program: Command): void {
  const command = program.command('command').description('commands that were given')
  dryRun(json(command.command('withdraw')))
    .summary('settle a command whose answer never came')
    .description('Settles a command whose answer never came: it was carried out, or from now on it never will be.')
    .argument('<id>', 'id of the command, as it was said with exit code 4', ulidArgument)
    .option('--group <ID>', 'the group that it was for, where there is one')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, async ({ ask }) => {
          if (flags['dryRun']) {
            if (flags['json']) return printJson({ ok: true, dryRun: true, command: id })
            return print(`would make sure that command ${id} was carried out or never will be`)
          }
          const done = await ask('command', 'withdraw', {
            command: id!, actor: actorOf(), ...(flags['group'] === undefined ? {} : { group: flags['group'] as string }),
          })
          if (flags['json']) return printJson(done)
          print(done.settled === 'withdrawn' ? `command ${id} was not carried out, and never will be` : `command ${id} was carried out${done.group === null ? '' : `: group ${done.group}`}`)
        }),
      ),
    )
}

export function registerLane(program: Command): void {
  const lane = program.command('lane').description('lanes: parts of the log with one writer at a time')
  json(lane.command('list'))
    .summary('list the lanes with holder and load')
    .description('Lists the lanes with their holder and load.')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          const { lanes } = await ask('lane', 'list', {})
          if (flags['json']) return printJson({ ok: true, lanes })
          printTable(
            [
              { head: 'lane', cell: (row) => row.lane },
              { head: 'state', cell: (row) => row.phase },
              { head: 'holder', cell: (row) => row.holder?.agent ?? '-' },
              { head: 'turns', align: 'right', cell: (row) => row.number },
              { head: 'groups', align: 'right', cell: (row) => row.groups },
              { head: 'unfinished', align: 'right', cell: (row) => row.unfinished },
              { head: 'pending jobs', align: 'right', cell: (row) => row.pendingJobs },
              { head: 'of them at work', align: 'right', cell: (row) => row.work ?? '-' },
              { head: 'jobs/s', align: 'right', cell: (row) => row.jobsPerSecond ?? '-' },
              { head: 'turns/s', align: 'right', cell: (row) => row.turnsPerSecond ?? '-' },
            ],
            lanes,
            'no lanes yet: no program has founded the realm',
          )
        }),
      ),
    )
}
