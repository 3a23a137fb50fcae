/** `reeve log verify`: is the log, or a file of it, what was written. */
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { counted } from '../../machines/counted.ts'
import { NoSuchRealm } from '../../streams/jetstream/streams-definition.ts'
import { demandSameLog, isOf } from '../archive/merged.ts'
import { partText } from '../log-file/format.ts'
import { readLogFileHeader } from '../log-file/read.ts'
import { keepMemorySmall } from '../platform/memory.ts'
import { onStopSignal } from '../platform/process.ts'
import { workingFolder } from '../platform/terminal.ts'
import { type Finding, findingLine } from '../verification/finding.ts'
import { type Compared, type Verified, type VerifyOptions, compareWithFile, verifyFile, verifyLog } from '../verification/verify.ts'
import { acting, json } from './command.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { hint, plain, print, printJson } from './output.ts'
import { progressBar } from './progress.ts'
import { filesAt } from './replay-log.ts'
import { openIncarnationsAt, placeOf } from './session.ts'

/** Kept for `--json`; all of them are counted. */
const findingsKept = 1_000

export function registerLogVerify(log: Command): void {
  json(log.command('verify'))
    .summary('find turns that were removed, changed or put in another order')
    .description(
      'Checks the live log, or an exported file or archive: per subject the chain of digests and numbers, revisions of every aggregate, positions, and of a file its own chain. One line a finding; exit code 1 where there is any, or a file cannot be read; 2 where a file or folder that was named is not there; 3 where an archive is missing or of another log, and nothing could be checked with it. What a log cannot show by itself (the last turns of a subject removed or changed, a chain made anew, the order of turns on different subjects) is found against a file: ops/runbooks/backup.md.',
    )
    .option('--from <FILE>', 'an exported file instead of the live log; no server is needed')
    .addOption(new Option('--against <FILE>', 'also compare the live log with a file that was exported from it, or that it was imported from').conflicts('from'))
    .option('--archive <DIR...>', 'folders of the archives of its lanes: they are verified too, together with what is left in the log, or with --from in the file; with --against, of the file that the log was imported from: they are compared too')
    .action(
      acting(async (settings, flags) => {
        keepMemorySmall()
        const asJson = flags['json'] === true
        const kept: Finding[] = []
        const bar = progressBar()
        const stop = new AbortController()
        const signals = onStopSignal(() => stop.abort())
        const options = (step: string, until: number): VerifyOptions => ({
          signal: stop.signal,
          onFinding: (finding) => {
            if (kept.length < findingsKept) kept.push(finding)
            if (!asJson) hint(plain(findingLine(finding)))
          },
          onProgress: (turns, at) => bar(step, at, until, turns, 'turns'),
        })
        const pathOf = (name: string) => resolve(workingFolder(), flags[name] as string)
        try {
          let verified: Verified
          let compared: Compared | undefined
          let what: string
          let archived = 0
          let part: string | undefined
          const paths = flags['archive'] as readonly string[] | undefined
          const archives = paths === undefined ? undefined : (await filesAt(paths)).archives
          if (paths !== undefined && archives === undefined) throw new CommandEnd(exitCodes.refused, `${paths.join(', ')} is no archive: name the folder that "reeve log archive --to DIR" wrote`)
          if (flags['from'] !== undefined) {
            what = pathOf('from')
            const header = await readLogFileHeader(what).catch(() => undefined)
            if (header !== undefined) {
              const { archived: lanes, ...rest } = header
              const lacking = lanes?.filter(({ lane, number }) => (archives?.lanes.get(lane)?.at(-1)?.header.archive.number ?? 0) < number) ?? []
              part = partText(lacking.length === 0 ? rest : { ...rest, archived: lacking })
            }
            verified = await verifyFile(what, options('verifying', header?.until ?? 0), archives)
          } else {
            const place = await placeOf(settings)
            const incarnations = await openIncarnationsAt(settings, place)
            try {
              const { realm } = place
              const whole = await incarnations.whole()
              if (whole === undefined) throw new NoSuchRealm(`there is no log of realm ${realm} on this server: check the name and the URL`)
              const { log: live } = whole
              what = `the log of realm ${realm}`
              const end = await live.end()
              // Of what it was imported from, an import has no archives: those that are named then belong to the file.
              const ofLog = archives !== undefined && isOf(archives, { realm, incarnation: live.incarnation })
              if (archives !== undefined && !ofLog) {
                if (flags['against'] === undefined) demandSameLog(archives, { realm, incarnation: live.incarnation }, 'the log')
                else demandSameLog(archives, await readLogFileHeader(pathOf('against')), pathOf('against'))
              }
              const found = await verifyLog(live, realm, options('verifying', end), ofLog ? archives : undefined)
              verified = found
              archived = found.archived
              if (flags['against'] !== undefined) compared = await compareWithFile(live, realm, pathOf('against'), options('comparing', end), archives)
            } finally {
              await incarnations.close()
            }
          }
          if (stop.signal.aborted) throw new CommandEnd(exitCodes.interrupted, 'stopped before everything was looked at')
          const findings = verified.findings + (compared?.findings ?? 0)
          const { turns, events, from, until } = verified
          if (asJson) {
            printJson({ ok: findings === 0, turns, events, from, until, compared: compared?.turns ?? null, archived, findings: kept, more: Math.max(0, findings - kept.length) })
          } else if (findings === 0) {
            print(`${what} is what was written${part === undefined ? '' : `, but not the whole log: ${part}`}: ${counted(turns, 'turn')}, ${counted(events, 'event')}, positions ${from} to ${until}${archived === 0 ? '' : `; ${counted(archived, 'turn')} more are in archives (--archive DIR verifies them too)`}${compared === undefined ? '' : `; equal to the ${counted(compared.turns, 'turn')} of ${pathOf('against')}${compared.without.length === 0 ? '' : ' (what was archived before is in its archives: --archive DIR compares that too)'}`}`)
          }
          if (findings > 0) throw new CommandEnd(exitCodes.failed, `${what} is not what was written: ${counted(findings, 'finding')}, and ${turns === 0 ? 'no turn' : counted(turns, 'turn')} could be read`)
        } finally {
          signals.stop()
        }
      }),
    )
}
