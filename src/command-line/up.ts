/** `reeve up`: everything on this machine, in one command. */
import type { Command } from 'commander'
import { counted } from '../../machines/counted.ts'
import { systemClock } from '../platform/clock.ts'
import { executablesOnPath } from '../platform/folders.ts'
import { ownVersion } from '../platform/own-package.ts'
import { CannotStart, environment, exitNow, onParentGone, onStopSignal, runCommand, setExitCode } from '../platform/process.ts'
import { systemRandom } from '../platform/random.ts'
import type { ExclusiveState } from '../../machines/execution-group/exclusive-state.ts'
import { demoSites, submitSample } from '../up/demo.ts'
import { type GroupPlaces, placesOf, placesText } from '../up/group-places.ts'
import { type RunningUp, UpStopped, startUp } from '../up/up.ts'
import { acting, settingOption, wholeNumber } from './command.ts'
import type { Settings } from './configuration.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { followGroup, type GroupShown, hasEnded, whyStopped } from './follow.ts'
import { printState } from './group.ts'
import { commandHere } from './here.ts'
import { complain, hint, plain, print, styled } from './output.ts'

export function registerUp(program: Command): void {
  program
    .command('up')
    .summary('run everything on this machine')
    .description('Runs everything on this machine: a nats-server of its own (or --server), agents and the service interface, each a process. Ctrl-C ends all of it.')
    .option('--demo', 'with two simulated desktop sites, which later starts bring up again; the first start carries out a sample change')
    .option('--exit', 'end when the sample change is done')
    .option('--quarantine [WHY]', 'execute nothing until "reeve realm release": it is in the log before any agent starts')
    .option('--port <PORT>', 'port of its own nats-server on the loopback interface; default: any free one', wholeNumber(1, 65_535))
    .addOption(settingOption('nats-server'))
    .addOption(settingOption('monitoring-url'))
    .addOption(settingOption('region'))
    .addOption(settingOption('accept-weak-durability'))
    .addOption(settingOption('newest-format'))
    .action(acting((settings, flags) => run(settings, { demo: flags['demo'] === true, leave: flags['exit'] === true, quarantine: quarantineOf(flags['quarantine']), port: flags['port'] as number | undefined })))
}

interface Wanted {
  readonly demo: boolean
  readonly leave: boolean
  readonly port: number | undefined
  /** Why, in one line. */
  readonly quarantine: string | undefined
}

function quarantineOf(flag: unknown): string | undefined {
  return flag === undefined || flag === false ? undefined : typeof flag === 'string' && flag.trim() !== '' ? flag.trim().slice(0, 500) : 'started with --quarantine'
}

async function run(settings: Settings, { demo, leave, port, quarantine }: Wanted): Promise<void> {
  if (port !== undefined && settings.server !== undefined) {
    throw new CommandEnd(exitCodes.usage, `--port is for a nats-server of its own, and ${settings.server} was named (${settings.sources.server}): leave one of them out`)
  }
  const stop = new AbortController()
  let running: RunningUp | undefined
  const signals = onStopSignal((_signal, again) => {
    stop.abort()
    // A second wish does not wait any longer.
    if (again) {
      running?.kill()
      exitNow(130)
    }
  })
  stop.signal.addEventListener('abort', () => print(styled('dim', 'stopping …')), { once: true })
  const parent = onParentGone(() => stop.abort())
  print(`${styled('bold', 'reeve')} ${ownVersion()}  ${styled('dim', `realm ${settings.realm}, data in ${settings.data}`)}`)
  try {
    running = await startUp({ settings, demo, ...(quarantine === undefined ? {} : { quarantine }), ...(port === undefined ? {} : { port }), clock: systemClock, random: systemRandom, signal: stop.signal })
    const shown = demo && !running.quarantined ? await sample(running, settings, stop.signal) : undefined
    if (stop.signal.aborted) return
    if (leave) {
      if (shown !== undefined && shown.state.phase !== 'completed') throw new CommandEnd(exitCodes.failed, whyStopped(shown))
      return
    }
    await tryNext(running.quarantined, shown?.places)
    const why = await Promise.race([running.failed, new Promise<undefined>((resolve) => stop.signal.addEventListener('abort', () => resolve(undefined), { once: true }))])
    if (why !== undefined) throw new CommandEnd(exitCodes.failed, why)
  } catch (error) {
    if (!(error instanceof UpStopped)) throw error
  } finally {
    await running?.stop()
    signals.stop()
    parent.stop()
    if (stop.signal.aborted) {
      print(styled('dim', 'stopped; the data stays'))
      setExitCode(exitCodes.done)
    }
  }
}

/** `places`: where nobody told it to stop before it knew them. */
interface SampleShown extends GroupShown {
  readonly places?: GroupPlaces
}

async function sample(running: RunningUp, settings: Settings, signal: AbortSignal): Promise<SampleShown | undefined> {
  const { session } = running
  const submitted = await submitSample(session.ask, settings.data, systemClock, systemRandom)
  print()
  if (submitted.kind === 'nothing') {
    complain(`no sample change: ${submitted.why}`)
    return undefined
  }
  let shown: GroupShown
  if (submitted.kind === 'before') {
    shown = submitted.shown
    const { state } = shown
    print(`${styled('bold', 'Sample change')} of the first start: group ${state.group} is ${state.phase}`)
    if (!hasEnded(state.phase) && state.phase !== 'blocked') shown = await followGroup(session, state.group, { quiet: false, signal })
  } else {
    print(`${styled('bold', 'Sample change')}: maintenance-on for ${counted(submitted.jobs, 'service')} of ${demoSites.map((site) => site.site).join(' and ')}, in order`)
    shown = await followGroup(session, submitted.group, { quiet: false, signal })
  }
  if (signal.aborted) return shown
  const places = await placesOf((request) => session.ask('log', 'read', request), shown.state.group)
  print()
  print(styled('bold', 'Exclusive state, from the log alone'))
  printState(shown.state as ExclusiveState, shown.position)
  hint(styled('dim', placesText(places)))
  if (shown.state.failed.length > 0 && !hasEnded(shown.state.phase)) complain(plain(whyStopped(shown)))
  return { ...shown, places }
}

const libvirtTest = 'test+unix:///default'

async function libvirtAnswers(): Promise<boolean> {
  try {
    return (await runCommand('virsh', ['--connect', libvirtTest, 'uri'], { clock: systemClock, deadlineMs: 2_000 })).exit.code === 0
  } catch (error) {
    if (error instanceof CannotStart) return false
    throw error
  }
}

async function tryNext(quarantined: boolean, sample: GroupPlaces | undefined): Promise<void> {
  const commands: (readonly [string, string])[] = [
    ['reeve service list', 'what the sites provide'],
    quarantined ? ['reeve realm release', 'ends the quarantine: what waits is executed'] : ['reeve change apply maintenance-off --all --wait', 'a change of your own'],
    ...(sample === undefined ? [] : ([[`reeve group show ${sample.group}`, 'its exclusive state'], [`reeve replay --group ${sample.group} --at r5${sample.whole ? '' : ' --from DIR'}`, 'the same, at any point']] as const)),
    ['reeve agent list', 'who works; kill one and look again'],
    ['reeve log tail', 'what happens, live'],
    ['reeve machine export --to diagrams', 'what may follow what, as pictures'],
    ['reeve doctor', 'whether all is well'],
  ]
  if ((await executablesOnPath('virsh', environment()['PATH'])).length > 0) {
    const about = (await libvirtAnswers()) ? 'libvirt is here: its test hypervisor as a site' : 'the test hypervisor of libvirt as a site, once libvirtd runs'
    commands.push([`reeve site add lab libvirt ${libvirtTest}`, about])
  }
  print()
  print(`${styled('bold', 'Try next')} ${styled('dim', '(in another terminal, in this folder; in a clone: npx reeve …)')}`)
  const named = commands.map(([command, about]) => [commandHere(command), about] as const)
  const width = Math.max(...named.map(([command]) => command.length))
  for (const [command, about] of named) print(`  ${command.padEnd(width)}  ${styled('dim', about)}`)
  print()
  print(styled('dim', 'Everything runs; Ctrl-C ends it.'))
}
