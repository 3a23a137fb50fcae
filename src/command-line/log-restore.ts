/** `reeve log import` and `reeve log restore`: a realm from a file, or from a stream that a backup was put back into. */
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { counted } from '../../machines/counted.ts'
import type { Incarnations } from '../../streams/ports/incarnations.ts'
import { type Subjects, subjectsOf } from '../../streams/subjects.ts'
import { systemClock } from '../platform/clock.ts'
import type { Archives } from '../archive/merged.ts'
import { dataFolderAt, lockFolder } from '../platform/data-folder.ts'
import { namesIn } from '../platform/folders.ts'
import { keepMemorySmall } from '../platform/memory.ts'
import { onStopSignal } from '../platform/process.ts'
import { systemRandom } from '../platform/random.ts'
import { workingFolder } from '../platform/terminal.ts'
import { nothingThere } from '../restore/nothing-there.ts'
import { RestoreRefused } from '../restore/refused.ts'
import { restoreRealm } from '../restore/restore.ts'
import { type RestoreSource, fileSource, streamSource } from '../restore/source.ts'
import { startNatsServer } from '../server/run.ts'
import { readRunning } from '../up/running-file.ts'
import { acting, actorOf, dryRun, json, settingOption, wholeNumber } from './command.ts'
import type { Settings } from './configuration.ts'
import type { Flags } from './command.ts'
import { hint, print, printJson, sayFetching, showStatus } from './output.ts'
import { progressBar } from './progress.ts'
import { filesAt } from './replay-log.ts'
import { openIncarnationsAt, placeOf } from './session.ts'

const serverGraceMs = 5_000

export function registerLogRestore(log: Command): void {
  shared(log.command('import'))
    .summary('make a realm from an exported file')
    .description(
      'Makes a realm from a file that "reeve log export" wrote: every turn to the byte, so that every revision, lane number and state is the same; the incarnation is the next. The realm must be empty and nobody may live in it. It begins in quarantine. Where no server is named and none runs with the data folder, one is started for the time of the import.',
    )
    .argument('<file>', 'an exported file of a whole log')
    .action(
      acting(async (settings, flags, [file]) => {
        const source = await fileSource(resolve(workingFolder(), file!), await archivesOf(flags))
        await withIncarnations(settings, flags, (incarnations, subjects) => takeOver(flags, incarnations, subjects, source, `imported from incarnation ${source.incarnation} of realm ${source.realm}`))
      }),
    )
  shared(log.command('restore'))
    .summary('raise the incarnation of a realm that was put back from a backup')
    .description(
      'After a backup of the server was put back ("nats stream restore", or a copy of its store): copies the log into its next incarnation, so that a program or a site that saw more than the backup holds cannot mistake the one for the other. Begins in quarantine; drops lease, presences, configurations in force, mappings, snapshots and alarms, which come back by themselves. Nobody may live in the realm.',
    )
    .action(
      acting(async (settings, flags) => {
        await withIncarnations(settings, flags, async (incarnations, subjects) => {
          const whole = await incarnations.whole()
          if (whole === undefined || whole.turns === 0) throw new RestoreRefused(`realm ${subjects.realm} has no log on this server: put its stream back first ("nats stream restore"), or import a file ("reeve log import FILE")`)
          await takeOver(flags, incarnations, subjects, await streamSource(whole, subjects.realm, await archivesOf(flags)), `restored from incarnation ${whole.incarnation}`)
        })
      }),
    )
}

function shared(command: Command): Command {
  return dryRun(json(command))
    .option('--archive <DIR...>', 'folders of the archives of its lanes, where turns were archived: they are taken over too')
    .option('--why <TEXT>', 'one line for everybody who asks why nothing is executed')
    .addOption(new Option('--incarnation <N>', 'the new incarnation, where a later one than this server and the file know was in use before').argParser(wholeNumber(2, 999_999_999)))
    .addOption(settingOption('nats-server'))
}

async function archivesOf(flags: Flags): Promise<Archives | undefined> {
  const paths = flags['archive'] as readonly string[] | undefined
  return paths === undefined ? undefined : (await filesAt(paths)).archives
}

async function takeOver(flags: Flags, incarnations: Incarnations, subjects: Subjects, source: RestoreSource, why: string): Promise<void> {
  keepMemorySmall()
  const stop = new AbortController()
  const signals = onStopSignal(() => stop.abort())
  const bar = progressBar()
  const rehearsal = flags['dryRun'] === true
  try {
    const done = await restoreRealm(
      { incarnations, clock: systemClock, random: systemRandom },
      {
        source,
        subjects,
        actor: actorOf(),
        why: (flags['why'] as string | undefined) ?? why,
        ...(flags['incarnation'] === undefined ? {} : { incarnation: flags['incarnation'] as number }),
        dryRun: rehearsal,
        signal: stop.signal,
        onProgress: ({ step, turns, position, until }) => bar(rehearsal ? 'checking' : step, position, until, turns, 'turns'),
      },
    )
    if (flags['json']) return printJson({ ok: true, ...(rehearsal ? { dryRun: true } : {}), ...done })
    const what = `${counted(done.turns, 'turn')} (${counted(done.events, 'event')}) and ${counted(done.texts, 'text')} from ${source.name}`
    if (rehearsal) return print(`would ${source.how} ${what} into realm ${subjects.realm} as incarnation ${done.incarnation}, in quarantine`)
    print(`${source.how === 'import' ? 'imported' : 'restored'} ${what} into realm ${subjects.realm} as incarnation ${done.incarnation}`)
    hint('the realm is in quarantine: start its programs, look at it, then "reeve realm release" (ops/runbooks/backup.md)')
  } finally {
    signals.stop()
  }
}

/** On the server that is named or runs; else on one that is started in the data folder for this alone. A rehearsal starts none where none ever ran. */
async function withIncarnations(settings: Settings, flags: Flags, use: (incarnations: Incarnations, subjects: Subjects) => Promise<void>): Promise<void> {
  const running = settings.servers.length > 0 || (await readRunning(settings.data))?.alive === true
  if (running) {
    return connected(settings, await placeOf(settings), use)
  }
  if (flags['dryRun'] === true && (await namesIn(dataFolderAt(settings.data).server)).length === 0) return use(nothingThere, subjectsOf(settings.realm))
  const lock = await lockFolder(settings.data)
  try {
    showStatus('starting nats-server …')
    const server = await startNatsServer({
      clock: systemClock,
      folder: dataFolderAt(settings.data).server,
      ...(settings.natsServer === undefined ? {} : { program: settings.natsServer }),
      onFetch: flags['json'] ? () => {} : sayFetching,
    })
    try {
      await connected(settings, { servers: [{ url: server.url }], realm: settings.realm }, use)
    } finally {
      await server.stop(serverGraceMs)
    }
  } finally {
    lock.release()
  }
}

async function connected(settings: Settings, place: Parameters<typeof openIncarnationsAt>[1], use: (incarnations: Incarnations, subjects: Subjects) => Promise<void>): Promise<void> {
  const incarnations = await openIncarnationsAt(settings, place)
  try {
    await use(incarnations, subjectsOf(place.realm))
  } finally {
    await incarnations.close()
  }
}
