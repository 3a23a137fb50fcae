/** `reeve log`: the log itself. */
import { type Command, Option } from 'commander'
import { fromBytes } from '../../streams/coordination.ts'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import type { FeedMessage } from '../../streams/feed.ts'
import { groupNotHere, lanesNotHere, notHereText } from '../archive/not-here.ts'
import { systemClock } from '../platform/clock.ts'
import { onStopSignal, setExitCode } from '../platform/process.ts'
import { shortTimeText } from '../platform/time-text.ts'
import { type Followed, followLog } from '../log-file/follow.ts'
import { acting, json, wholeNumber } from './command.ts'
import { eventText } from './event-text.ts'
import { exitCodes } from './exit.ts'
import { registerLogArchive } from './log-archive.ts'
import { registerLogExport } from './log-export.ts'
import { registerLogRestore } from './log-restore.ts'
import { registerLogVerify } from './log-verify.ts'
import { complain, plain, print, printJson, styled } from './output.ts'
import { withSession } from './session.ts'

const position = wholeNumber(1, Number.MAX_SAFE_INTEGER)

export function registerLog(program: Command): void {
  const log = program.command('log').description('the event log: everything that ever happened')

  json(log.command('tail'))
    .summary('show what happened, and what happens')
    .description('Shows the last turns of the log, then what happens, live; gaps of the live feed are filled from the log.')
    .option('-n, --last <N>', 'begin so many positions before the end', wholeNumber(0, 1_000_000), 10)
    .addOption(new Option('--from <POSITION>', 'begin at this position; not together with --last').argParser(position).conflicts('last'))
    .option('--group <ID>', 'only of this group')
    .option('--no-follow', 'end at the present end of the log')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ bus, subjects, ask }) => {
          const group = flags['group'] as string | undefined
          // Says what is wrong with an id that no group has.
          if (group !== undefined) await ask('group', 'show', { group })
          const stop = new AbortController()
          const signals = onStopSignal(() => stop.abort())
          try {
            const from = flags['from'] as number | undefined
            if (from !== undefined) {
              const read = (request: ApiRequest<'log', 'read'>) => ask('log', 'read', request)
              const { end } = await read({ from: 1, limit: 1 })
              if (from > end) complain(`the log goes to position ${end}: there is nothing of ${from} and later yet`)
              const lanes = async () => (await ask('lane', 'list', {})).lanes.map(({ lane }) => lane)
              const notHere = group === undefined ? await lanesNotHere(read, await lanes(), from) : await groupNotHere(read, group, from)
              if (notHere.length > 0 && flags['json'] === true) printJson({ archived: notHere })
              else if (notHere.length > 0) complain(notHereText(notHere, group))
            }
            const follow = followLog(
              {
                read: (request) => ask('log', 'read', { ...request, ...(group === undefined ? {} : { aggregate: 'group', id: group }) }),
                onFeed: (listener) => {
                  const pattern = group === undefined ? subjects.allFeeds : subjects.feed('group', group)
                  const subscription = bus.subscribe(pattern, (message) => listener(fromBytes<FeedMessage>(message.data).position))
                  return () => subscription.stop()
                },
                clock: systemClock,
              },
              {
                ...(from === undefined ? { last: flags['last'] as number } : { from }),
                follow: flags['follow'] === true,
                signal: stop.signal,
              },
            )
            for await (const turn of follow) {
              if (flags['json']) printJson(turn)
              else printTurn(turn)
            }
            if (stop.signal.aborted) setExitCode(exitCodes.interrupted)
          } finally {
            signals.stop()
          }
        }),
      ),
    )

  registerLogExport(log)
  registerLogVerify(log)
  registerLogArchive(log)
  registerLogRestore(log)
}

function printTurn({ position: at, turn }: Followed): void {
  const time = shortTimeText(turn.timeMs, systemClock.nowMs())
  for (const commit of turn.commits) {
    commit.events.forEach((event, index) => {
      const head = `${String(at).padStart(6)}  ${styled('dim', time)}  ${commit.aggregate} ${plain(commit.id)} ${styled('dim', `r${commit.revision + index}`)}`
      print(`${head}  ${styled('bold', plain(event.type))} ${plain(eventText(commit.aggregate, event))}`)
    })
  }
}
