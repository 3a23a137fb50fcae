/** `reeve machine watch`: transitions of the agents' machines, live; in the terminal, and for Stately Inspector. */
import { type Command, Option } from 'commander'
import { counted } from '../../machines/counted.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import { requireId } from '../../streams/subjects.ts'
import { bridgePage, inspectorOrigin } from '../inspection/bridge-page.ts'
import { StatelyActors, type StatelyEvent } from '../inspection/stately.ts'
import { stateText } from '../inspection/state-text.ts'
import { type HeardTransition, Transitions, isMachine } from '../inspection/transitions.ts'
import { Turns } from '../inspection/turns.ts'
import { eventLabel } from '../machine-export/graph.ts'
import { type BroadcastServer, startBroadcastServer } from '../platform/broadcast-server.ts'
import { systemClock } from '../platform/clock.ts'
import { PortTaken } from '../platform/http-server.ts'
import { onStopSignal, setExitCode } from '../platform/process.ts'
import { outIsTerminal } from '../platform/terminal.ts'
import { shortTimeText } from '../platform/time-text.ts'
import { acting, json, wholeNumber } from './command.ts'
import { agentOption, machineOption } from './machine-list.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { complain, plain, print, printJson, styled } from './output.ts'
import { type Session, withSession } from './session.ts'

/** Where the package `@statelyai/inspect` looks unless it is told otherwise. */
const statelyPort = 8080
const flushMs = 3_000

export function registerMachineWatch(machine: Command): void {
  json(machine.command('watch'))
    .summary('follow the transitions of machines, live')
    .description(
      'Follows the transitions of the machines that agents run, live, until Ctrl-C: time, agent, machine, state before and after, signal. What was published and did not arrive is said as a gap; it is not kept anywhere. On a terminal, a turn that a timer begins and that ends where it began, as the one before it did, is not shown; --all shows it.',
    )
    .addOption(agentOption('only machines of this agent'))
    .addOption(machineOption('only machines of this name or definition', ['process']))
    .option('--all', 'on a terminal: also the turns of a machine that end where they began, again and again')
    .addOption(
      new Option('--stately [PORT]', `also show the machines in Stately Inspector: serves its protocol and a page with it on this port of 127.0.0.1; 0: any free one. The page shows that of ${inspectorOrigin} in a frame, so the browser needs the internet`)
        .argParser(wholeNumber(0, 65_535))
        .preset(String(statelyPort)),
    )
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async (session) => {
          const agent = flags['agent'] as string | undefined
          const wanted = flags['machine'] as string | undefined
          if (agent !== undefined) requireId('agent', agent)
          const serviceAnswers = (agent !== undefined || flags['stately'] !== undefined) && (await agentIsThere(session, agent))
          const stately = flags['stately'] === undefined ? undefined : await openStately(flags['stately'] as number)
          const watching = { agent, wanted, serviceAnswers, asJson: flags['json'] === true, all: flags['all'] === true || !outIsTerminal(), stately }
          try {
            await watch(session, watching)
          } finally {
            await stately?.server.close()
          }
        }),
      ),
    )
}

interface Stately {
  readonly actors: StatelyActors
  readonly server: BroadcastServer
  send(events: readonly StatelyEvent[]): void
}

async function openStately(port: number): Promise<Stately> {
  const actors = new StatelyActors()
  const welcome = () => actors.present().map((event) => JSON.stringify(event))
  const server = await startBroadcastServer({ port, page: bridgePage, welcome }).catch((error: unknown) => {
    throw error instanceof PortTaken ? new CommandEnd(exitCodes.refused, `port ${port} on 127.0.0.1 is taken: choose another with --stately PORT (--stately 0: any free one)`) : error
  })
  return {
    actors,
    server,
    send(events) {
      for (const event of events) server.send(JSON.stringify(event))
    },
  }
}

interface Watching {
  readonly agent: string | undefined
  readonly wanted: string | undefined
  readonly serviceAnswers: boolean
  readonly asJson: boolean
  readonly all: boolean
  readonly stately: Stately | undefined
}

/** Resolves when this program is told to stop. */
async function watch(session: Session, { agent, wanted, serviceAnswers, asJson, all, stately }: Watching): Promise<void> {
  const { bus, subjects } = session
  const transitions = new Transitions()
  const turns = new Turns(systemClock, printTransition)
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => (stop = resolve))
  const signals = onStopSignal(() => stop())
  const link = bus.onLink((state) => {
    complain(state === 'connected' ? 'reeve: connected again' : 'reeve: the connection is lost: what happens until it is back is not shown')
  })
  const subscription = bus.subscribe(subjects.inspect(agent ?? '*', '*'), ({ data }) => {
    const heard = transitions.heard(data)
    if (heard === undefined || !isMachine(wanted, heard.machine)) return
    if (asJson) printJson(heard)
    else if (all) printTransition(heard)
    else turns.heard(heard)
    stately?.send(stately.actors.heard(heard))
  })
  try {
    await bus.flush(flushMs)
    if (stately !== undefined) {
      // What was heard meanwhile is later than what is asked for here.
      const present = serviceAnswers ? (await session.ask('machine', 'list', agent === undefined ? {} : { agent })).machines : []
      stately.send(present.filter((one) => isMachine(wanted, one.machine)).flatMap((one) => stately.actors.known(one)))
      if (!serviceAnswers) complain('reeve: no service interface answers: a machine is shown in Stately Inspector from its next transition on')
      const { port } = stately.server
      complain(`reeve: Stately Inspector at http://127.0.0.1:${port} (the browser loads it from ${inspectorOrigin}), its protocol at ws://127.0.0.1:${port}`)
    }
    complain(styled('dim', `watching ${wanted ?? 'every machine'} of ${agent === undefined ? 'every agent' : `agent ${agent}`}; Ctrl-C ends it${all || asJson ? '' : '; turns that change nothing, again and again, are left out (--all shows them)'}`))
    await stopped
    setExitCode(exitCodes.interrupted)
  } finally {
    subscription.stop()
    turns.close()
    link.stop()
    signals.stop()
  }
}

/** False where no service answers, which a watch can do without. Throws `ApiFailure` for an agent that does not exist. */
async function agentIsThere({ ask }: Session, agent: string | undefined): Promise<boolean> {
  try {
    if (agent === undefined) await ask('realm', 'show', {})
    else await ask('agent', 'show', { agent })
    return true
  } catch (error) {
    if (error instanceof ApiFailure && error.code === 'unreachable') return false
    throw error
  }
}

function printTransition({ agent, machine, missed, atMs, from, event, to }: HeardTransition): void {
  const time = styled('dim', shortTimeText(atMs, systemClock.nowMs()))
  const who = `${styled('cyan', plain(agent))} ${styled('bold', plain(machine))}`
  if (missed > 0) print(`${time}  ${who}  ${styled('yellow', `… ${counted(missed, 'transition')} before this one did not arrive`)}`)
  print(`${time}  ${who}  ${plain(stateText(from))} → ${styled('green', plain(stateText(to)))}  ${styled('dim', plain(eventLabel(event)))}`)
}
