/** `reeve log archive`: what is old of the lanes leaves the log for verified files. */
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { counted } from '../../machines/counted.ts'
import { allowsFormat, formatTooOld } from '../../machines/realm/realm.ts'
import { requireId } from '../../streams/subjects.ts'
import { type LaneArchiving, archiveLane } from '../archive/archive.ts'
import { ArchiveRefused } from '../archive/errors.ts'
import { DamagedArchive } from '../archive/file.ts'
import { realmOf } from '../archive/lanes.ts'
import { folderShelf } from '../archive/shelf.ts'
import { renewLane } from '../archive/renew.ts'
import { systemClock } from '../platform/clock.ts'
import { fileFacts } from '../platform/folders.ts'
import { keepMemorySmall } from '../platform/memory.ts'
import { onStopSignal } from '../platform/process.ts'
import { systemRandom } from '../platform/random.ts'
import { workingFolder } from '../platform/terminal.ts'
import { acting, actorOf, dryRun, json } from './command.ts'
import { durationArgument, durationText } from './duration.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { print, printJson, showStatus } from './output.ts'
import { filesAt } from './replay-log.ts'
import { openLogForReading } from './session.ts'

export function registerLogArchive(log: Command): void {
  dryRun(json(log.command('archive')))
    .summary('move what is old of the lanes from the log into verified files')
    .description(
      'Moves turns of lanes that are older than AGE, and before a snapshot, into files (docs/wire.md "Archives"): each is written, read back against the log and recorded by the lane\'s holder before its turns are purged. States and digests stay the same; replay, verify and import take the files with --from and --archive. Killed at any point, the same command goes on where it was. Keep the files as you keep backups: what is in them is nowhere else.',
    )
    .requiredOption('--to <DIR>', 'folder of the archives, made where it is missing; always the same one')
    .addOption(new Option('--older-than <AGE>', 'age of the youngest turn that is archived, by its time: 90d, 12h').argParser(durationArgument))
    .option('--elsewhere', 'go on where the newest archive of a lane is not in this folder: its archives lie in several, and who reads them names all')
    .option('--lane <LANE...>', 'only these lanes', laneArgument)
    .addOption(new Option('--renew', 'archive nothing; make the snapshots that archived lanes begin with anew from the files, after an upgrade that asks for it, or where one is damaged').conflicts(['olderThan', 'dryRun', 'elsewhere']))
    .action(
      acting(async (settings, flags) => {
        const folder = resolve(workingFolder(), flags['to'] as string)
        const olderThanMs = flags['olderThan'] as number | undefined
        const renews = flags['renew'] === true
        if (olderThanMs === undefined && !renews) throw new CommandEnd(exitCodes.usage, 'say how old: --older-than 90d')
        if ((await fileFacts(folder))?.isFile === true) throw new CommandEnd(exitCodes.usage, `${folder} is a file: --to names the folder of the archives`)
        keepMemorySmall()
        const { coordinator, subjects } = await openLogForReading(settings)
        const stop = new AbortController()
        const signals = onStopSignal(() => stop.abort())
        try {
          const realm = await realmOf(coordinator.log, subjects)
          if (!allowsFormat(realm, 2)) throw new CommandEnd(exitCodes.refused, formatTooOld(realm.format, 2))
          const known = realm.lanes.map(({ lane }) => lane)
          const lanes = (flags['lane'] as readonly string[] | undefined) ?? known
          for (const lane of lanes) if (!known.includes(lane)) throw new CommandEnd(exitCodes.refused, `there is no lane ${lane}: "reeve lane list" shows those that there are`)
          const context = { coordinator, subjects, clock: systemClock, random: systemRandom, constants: realm.constants, logger: { info() {}, warn() {}, debug() {} } }
          if (renews) {
            const { archives } = await filesAt([folder])
            const renewed = []
            for (const lane of lanes) {
              showStatus(`lane ${lane} …`)
              const number = await renewLane(context, lane, archives!, stop.signal)
              renewed.push({ lane, number })
              if (flags['json'] !== true) print(number === null ? `lane ${lane}: nothing of it is archived` : `lane ${lane}: begins with its state after turn ${number}, made anew from the archives`)
            }
            if (flags['json'] === true) printJson({ ok: true, renewed })
            return
          }
          const done: LaneArchiving[] = []
          const refused: (readonly [lane: string, why: string])[] = []
          for (const lane of lanes) {
            showStatus(`lane ${lane} …`)
            try {
              const archived = await archiveLane(context, { lane, shelf: folderShelf(folder, coordinator), olderThanMs: olderThanMs!, actor: actorOf(), dryRun: flags['dryRun'] === true, elsewhere: flags['elsewhere'] === true, signal: stop.signal })
              done.push(archived)
              if (flags['json'] !== true) say(archived, olderThanMs!, flags['dryRun'] === true)
            } catch (error) {
              // The other lanes have their turn.
              if (!(error instanceof ArchiveRefused || error instanceof DamagedArchive) || lanes.length === 1) throw error
              refused.push([lane, error.message])
            }
          }
          const [first, ...more] = refusalLines(refused)
          if (first !== undefined && flags['json'] === true) printJson({ ok: false, lanes: done, refused: refused.map(([lane, why]) => ({ lane, why })) })
          if (first !== undefined) throw new CommandEnd(exitCodes.refused, first, more)
          if (flags['json'] === true) printJson({ ok: true, ...(flags['dryRun'] === true ? { dryRun: true } : {}), lanes: done })
        } catch (error) {
          const code = (error as { code?: unknown }).code
          if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) throw new CommandEnd(exitCodes.failed, `${folder} cannot be written to (${code}): name another folder, or make room; then repeat this`)
          throw error
        } finally {
          signals.stop()
          await coordinator.close()
        }
      }),
    )
}

function say({ lane, finished, archived, why }: LaneArchiving, olderThanMs: number, rehearsal: boolean): void {
  if (finished !== null) print(`lane ${lane}: ${rehearsal ? 'would finish' : 'finished'} the purge of what was archived before, up to turn ${finished}`)
  if (archived === null) return print(`lane ${lane}: nothing older than ${durationText(olderThanMs)}: ${why}`)
  const { from, number, turns, file } = archived
  print(`lane ${lane}: ${rehearsal ? 'would archive' : 'archived'} ${counted(turns, 'turn')}, ${from} to ${number}, ${rehearsal ? 'to' : 'in'} ${file}`)
}

/** A line for all lanes of which the same is said but for their names and numbers. */
export function refusalLines(refused: readonly (readonly [lane: string, why: string])[]): readonly string[] {
  const alike = new Map<string, [line: string, ...others: string[]]>()
  for (const [lane, why] of refused) {
    const kind = why.replaceAll(lane, '').replaceAll(/\d+/g, '')
    const known = alike.get(kind)
    if (known === undefined) alike.set(kind, [why.includes(`lane ${lane}`) ? why : `lane ${lane}: ${why}`])
    else known.push(lane)
  }
  return [...alike.values()].map(([line, ...others]) => (others.length === 0 ? line : `${line}; the same holds for ${others.length === 1 ? 'lane' : 'lanes'} ${others.join(', ')}`))
}

function laneArgument(lane: string, before: readonly string[] | undefined): readonly string[] {
  try {
    return [...(before ?? []), requireId('lane', lane)]
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}
