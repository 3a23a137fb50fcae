/** `reeve log export`: the log, or a part of it, as a portable file. */
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { counted } from '../../machines/counted.ts'
import { laneOfGroup, requireId } from '../../streams/subjects.ts'
import { lanesBegunLater, realmOf } from '../archive/lanes.ts'
import { notHereText } from '../archive/not-here.ts'
import { exportLog } from '../log-file/export.ts'
import { archivedText } from '../log-file/format.ts'
import { redactionBy } from '../log-file/redaction.ts'
import { type AggregateNamed, parseAggregate, selectionOf } from '../log-file/selection.ts'
import { fileFacts } from '../platform/folders.ts'
import { keepMemorySmall } from '../platform/memory.ts'
import { onStopSignal } from '../platform/process.ts'
import { systemRandom } from '../platform/random.ts'
import { workingFolder } from '../platform/terminal.ts'
import { acting, json, wholeNumber } from './command.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { complain, print, printJson } from './output.ts'
import { progressBar } from './progress.ts'
import { openLogForReading } from './session.ts'

const position = wholeNumber(1, Number.MAX_SAFE_INTEGER)
const redactionKeyBytes = 32

export function registerLogExport(log: Command): void {
  json(log.command('export'))
    .summary('write the log into a portable file')
    .description('Writes the log into a portable file with a digest chain (docs/wire.md "Exported file"). The file is there when it is whole. A part of a log, and a redacted one, says so in its first line and cannot be imported.')
    .requiredOption('--to <FILE>', 'where to write it')
    .option('--from <POSITION>', 'first position', position)
    .option('--until <POSITION>', 'last position; default: the present end', position)
    .option('--lane <LANE...>', 'only the turns of these lanes', laneArgument)
    .addOption(new Option('--only <KIND:ID...>', 'only the turns that hold something of these: group:ID, site:ID, agent:ID, trigger:ID …').argParser(aggregateArgument).conflicts('lane'))
    .option('--redact', 'without names, addresses and texts that people or sites wrote: for whoever is to look into it and may not know whose it is')
    .option('--force', 'replace the file where there is one')
    .action(
      acting(async (settings, flags) => {
        const file = resolve(workingFolder(), flags['to'] as string)
        const there = await fileFacts(file)
        if (there?.isFile === false) throw new CommandEnd(exitCodes.refused, `${file} is a folder: name a file in it`)
        if (flags['force'] !== true && there !== undefined) {
          throw new CommandEnd(exitCodes.refused, `${file} is there already: name another file, or replace it with --force`)
        }
        keepMemorySmall()
        const { coordinator, subjects } = await openLogForReading(settings)
        const stop = new AbortController()
        const signals = onStopSignal(() => stop.abort())
        const bar = progressBar()
        try {
          const lanes = flags['lane'] as readonly string[] | undefined
          const aggregates = flags['only'] as readonly AggregateNamed[] | undefined
          const from = flags['from'] as number | undefined
          const end = await coordinator.log.end()
          const until = flags['until'] as number | undefined
          if ((from ?? 1) > Math.min(until ?? end, end)) throw new CommandEnd(exitCodes.refused, `there is nothing to write: the log goes to position ${end}, and ${from ?? 1} to ${until ?? end} was asked for`)
          for (const lane of lanes ?? []) {
            if ((await coordinator.log.last(subjects.lane(lane))) === undefined) throw new CommandEnd(exitCodes.refused, `there is no turn of lane ${lane} in the log: "reeve lane list" names the lanes`)
          }
          const realm = await realmOf(coordinator.log, subjects)
          const begunLater = (of: readonly string[]) => lanesBegunLater(coordinator.log, subjects, of, from)
          const archivedNow = () => begunLater(lanes ?? realm.lanes.map(({ lane }) => lane))
          const wholeLanes = aggregates === undefined
          let archived = wholeLanes ? await archivedNow() : []
          const selection = lanes === undefined && wholeLanes ? undefined : selectionOf(subjects, { ...(lanes && { lanes }), ...(aggregates && { aggregates }) })
          const written = await exportLog(coordinator.log, coordinator.texts, {
            file,
            realm: subjects.realm,
            ...(from === undefined ? {} : { from }),
            ...(until === undefined ? {} : { until }),
            // A digest would confirm whoever guesses that turn.
            archived: flags['redact'] === true ? archived.map((lane) => ({ ...lane, turn: '' })) : archived,
            ...(wholeLanes ? { archivedNow } : {}),
            ...(selection === undefined ? {} : { selection }),
            ...(flags['redact'] === true ? { redact: redactionBy(systemRandom.bytes(redactionKeyBytes)) } : {}),
            signal: stop.signal,
            onProgress: (records, at, to) => bar('exporting', at - (from ?? 1), to - (from ?? 1), records, 'turns'),
          })
          // What is there from its first event on is whole, whatever was archived of its lane before.
          if (!wholeLanes) archived = await begunLater([...new Set([...selection!.notBegun].map(({ aggregate, id }) => (aggregate === 'lane' ? id : laneOfGroup(id)!)))])
          if (flags['json']) return printJson({ ok: true, ...written, ...(archived.length === 0 ? {} : { archived }) })
          print(`wrote ${counted(written.records, 'turn')} and ${counted(written.texts, 'text')}, positions ${written.from} to ${written.until}, to ${file}${written.redacted ? ', redacted' : ''}`)
          if (archived.length > 0) complain(wholeLanes && from === undefined ? `it is whole only with its archives: ${archivedText(archived)}` : notHereText(archived))
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
  return [...(before ?? []), saying(() => requireId('lane', lane))]
}

function aggregateArgument(text: string, before: readonly AggregateNamed[] | undefined): readonly AggregateNamed[] {
  return [...(before ?? []), saying(() => parseAggregate(text))]
}

function saying<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}
