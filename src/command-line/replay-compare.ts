/** `reeve replay --compare DIR`: one log through two builds; and `--digests`, by which each of them says what it makes of it. */
import { resolve } from 'node:path'
import { counted } from '../../machines/counted.ts'
import { canonicalJson } from '../../streams/codec.ts'
import { keepMemorySmall } from '../platform/memory.ts'
import { ownVersion } from '../platform/own-package.ts'
import { environment, exitNow, onParentGone, onStopSignal } from '../platform/process.ts'
import { outFlushed, workingFolder, writeOut } from '../platform/terminal.ts'
import { timeText } from '../platform/time-text.ts'
import { type Build, BuildSilent, type DigestsPlace, buildIn, ownBuild } from '../replay/builds.ts'
import { type Difference, compareBuilds } from '../replay/compare.ts'
import { digestLines, parseDigestsRequest } from '../replay/digests.ts'
import type { Flags } from './command.ts'
import { type Settings, variableOf } from './configuration.ts'
import { CommandEnd, type ExitCode, exitCodes } from './exit.ts'
import { shellWord } from './here.ts'
import { plain, print, printFields, printJson } from './output.ts'
import { progressBar } from './progress.ts'
import { filesAt, withLog } from './replay-log.ts'
import { placeOf } from './session.ts'

/** Values of a difference are shown up to here; `--json` has them whole. */
const shownLength = 400

export async function compareWith(settings: Settings, flags: Flags): Promise<void> {
  const here = ownBuild()
  const there = await buildIn(resolve(workingFolder(), flags['compare'] as string))
  const files = (flags['from'] as readonly string[] | undefined)?.map((path) => resolve(workingFolder(), path))
  const isLive = files === undefined || (await filesAt(files)).exported === undefined
  const place: DigestsPlace = { environment: environment(), workingFolder: workingFolder(), source: [], ...(isLive ? await liveLog(settings) : {}), ...(files === undefined ? {} : { source: ['--from', ...files] }) }
  const bar = progressBar()
  const stop = new AbortController()
  const signals = onStopSignal(() => stop.abort())
  try {
    await withLog(settings, files, async (read, _, end) => {
      const file = end === undefined ? (await filesAt(files!)).exported! : undefined
      const until = end ?? file!.header.until
      const onProgress = (step: string, turns: number, position: number) => bar(step, position, until, turns, 'turns')
      const compared = await compareBuilds({ here, there, place, read, until, signal: stop.signal, onProgress })
      const { turns, events, difference, stopped } = compared
      const same = difference === null && stopped === null
      if (flags['json'] === true) printJson({ ok: same, builds: [here, there].map(({ version, program }) => ({ version, program })), until, ...compared })
      else if (difference !== null) printDifference(difference, here, there)
      if (difference !== null) throw new CommandEnd(exitCodes.failed, `${there.name} (${there.version}) and this one (${here.version}) differ at position ${difference.position}`)
      if (stopped !== null) throw new CommandEnd(exitCodes.failed, `neither build can read position ${stopped}; before it they agree: "reeve log verify${file === undefined ? '' : ` --from ${shellWord(file.path)}`}" says what is wrong with it`)
      if (flags['json'] !== true) print(`${there.name} (${there.version}) and this one (${here.version}) agree on every turn: ${counted(turns, 'turn')}, ${counted(events, 'event')}, up to position ${until}`)
    })
  } catch (error) {
    if (stop.signal.aborted) throw new CommandEnd(exitCodes.interrupted, 'stopped before the whole log was compared')
    throw error instanceof BuildSilent ? endOf(error, here) : error
  } finally {
    signals.stop()
  }
}

function endOf(error: BuildSilent, here: Build): CommandEnd {
  const { build, code, said } = error
  const known = Object.values(exitCodes).find((one) => one === code && one !== exitCodes.done) as ExitCode | undefined
  if (build === here) return new CommandEnd(known ?? exitCodes.failed, said || error.message)
  if (code === exitCodes.usage) return new CommandEnd(exitCodes.refused, `${build.name} (${build.version}) is too old to be compared, or does not understand what it is given; it says: ${plain(said)}`)
  return new CommandEnd(exitCodes.refused, `${plain(error.message)}; in a clone run "npm ci" first`)
}

/** In the environment, which no other user of the machine reads (I10). */
async function liveLog(settings: Settings): Promise<Pick<DigestsPlace, 'source' | 'environment'>> {
  const { servers, realm } = await placeOf(settings)
  const { user, pass, token } = settings.login
  const server = settings.server ?? servers.map(({ url }) => url).join(',')
  const given = { server, realm, user, password: pass, token } as const
  const variables = Object.entries(given).map(([name, value]) => [variableOf(name as keyof typeof given), value] as const)
  return { source: [], environment: { ...environment(), ...Object.fromEntries(variables) } }
}

function printDifference(difference: Difference, here: Build, there: Build): void {
  const { position, subject, number, timeMs, aggregate, id, revision, events, key, more } = difference
  const shown = (value: unknown) => {
    if (value === undefined) return '-'
    const text = canonicalJson(value)
    return text.length > shownLength ? `${text.slice(0, shownLength)}… (${text.length} characters; --json has them all)` : text
  }
  const last = revision === null || events.length === 1 ? '' : `-${revision + events.length - 1}`
  printFields([
    ['first difference', `position ${position}, ${subject}${number === null ? '' : ` turn ${number}`}${timeMs === null ? '' : `, ${timeText(timeMs)}`}`],
    ['decision', `${aggregate} ${id}${revision === null ? '' : ` r${revision}${last}`}${events.length === 0 ? '' : `: ${events.join(', ')}`}`],
    ['key', key ?? 'all of it'],
    ['here', `${shown(difference.here)}  (${here.version})`],
    ['there', `${shown(difference.there)}  (${there.version})`],
    ...(more.length === 0 ? [] : [['also', more.join(', ')] as const]),
  ])
}

/** As a child of whoever compares. */
export async function sayDigests(settings: Settings, flags: Flags): Promise<void> {
  const request = parseDigestsRequest(flags['digests'] as string)
  onParentGone(() => exitNow(exitCodes.interrupted))
  keepMemorySmall()
  await withLog(settings, flags['from'] as readonly string[] | undefined, async (read, subjects) => {
    for await (const line of digestLines(read, subjects, request, ownVersion())) {
      writeOut(`${canonicalJson(line)}\n`)
      // Whoever reads may be behind.
      await outFlushed()
    }
  }, { compared: true })
}
