/** `reeve log`: the log itself. */
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { counted } from '../../machines/counted.ts'
import { fromBytes } from '../../streams/coordination.ts'
import type { FeedMessage } from '../../streams/feed.ts'
import { requireId } from '../../streams/subjects.ts'
import { systemClock } from '../platform/clock.ts'
import { onStopSignal } from '../platform/process.ts'
import { fileFacts } from '../platform/folders.ts'
import { shortTimeText } from '../platform/time-text.ts'
import { workingFolder } from '../platform/terminal.ts'
import { exportLog } from '../log-file/export.ts'
import { type Followed, followLog } from '../log-file/follow.ts'
import { acting, json, wholeNumber } from './command.ts'
import { eventText } from './event-text.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { complain, plain, print, printJson, showStatus, styled } from './output.ts'
import { openLogForReading, withSession } from './session.ts'

const position = wholeNumber(1, Number.MAX_SAFE_INTEGER)

export function registerLog(program: Command): void {
  const log = program.command('log').description('the event log: everything that ever happened')

  json(log.command('tail'))
    .summary('show what happened, and what happens')
    .description('Shows the last turns of the log, then what happens, live; gaps of the live feed are filled from the log.')
    .option('-n, --last <N>', 'begin so many positions before the end', wholeNumber(0, 1_000_000), 10)
    .option('--from <POSITION>', 'begin at this position', position)
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
                ...(flags['from'] === undefined ? { last: flags['last'] as number } : { from: flags['from'] as number }),
                follow: flags['follow'] === true,
                signal: stop.signal,
              },
            )
            for await (const turn of follow) {
              if (flags['json']) printJson(turn)
              else printTurn(turn)
            }
          } finally {
            signals.stop()
          }
        }),
      ),
    )

  json(log.command('export'))
    .summary('write the log into a portable file')
    .description('Writes the log into a portable file with a digest chain (docs/wire.md "Exported file"). The file is there when it is whole.')
    .requiredOption('--to <FILE>', 'where to write it')
    .option('--from <POSITION>', 'first position', position)
    .option('--until <POSITION>', 'last position; default: the present end', position)
    .option('--lane <LANE...>', 'only the turns of these lanes', laneArgument)
    .option('--force', 'replace the file where there is one')
    .action(
      acting(async (settings, flags) => {
        const file = resolve(workingFolder(), flags['to'] as string)
        if (flags['force'] !== true && (await fileFacts(file)) !== undefined) {
          throw new CommandEnd(exitCodes.refused, `${file} is there already: name another file, or replace it with --force`)
        }
        const { coordinator, subjects } = await openLogForReading(settings)
        const stop = new AbortController()
        const signals = onStopSignal(() => stop.abort())
        try {
          const lanes = flags['lane'] as readonly string[] | undefined
          const written = await exportLog(coordinator.log, coordinator.texts, {
            file,
            realm: subjects.realm,
            ...(flags['from'] === undefined ? {} : { from: flags['from'] as number }),
            ...(flags['until'] === undefined ? {} : { until: flags['until'] as number }),
            ...(lanes === undefined ? {} : { subjects: lanes.map((lane) => subjects.lane(lane)) }),
            signal: stop.signal,
            onProgress: (records, at) => showStatus(`${counted(records, 'turn')}, position ${at}`),
          })
          if (flags['json']) return printJson({ ok: true, ...written })
          print(`wrote ${counted(written.records, 'turn')} and ${counted(written.texts, 'text')}, positions ${written.from} to ${written.until}, to ${file}`)
          if (written.missingTexts.length > 0) complain(`${counted(written.missingTexts.length, 'text')} that they name ${written.missingTexts.length === 1 ? 'is' : 'are'} not there any more, the first is ${written.missingTexts[0]}`)
        } catch (error) {
          const code = (error as { code?: unknown }).code
          if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) throw new CommandEnd(exitCodes.failed, `${file} cannot be written (${code}): name another file`)
          throw error
        } finally {
          signals.stop()
          await coordinator.close()
        }
      }),
    )
}

function laneArgument(lane: string, before: readonly string[] | undefined): readonly string[] {
  try {
    return [...(before ?? []), requireId('lane', lane)]
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
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
