/**
 * The programs that run until they are told to stop: `reeve agent`, `reeve serve`, `reeve simulated-site`. Each ends when a
 * signal comes or when the program that started it is gone, tells that program when it is ready, and logs to standard error.
 */
import { type Command, Option } from 'commander'
import { counted } from '../../machines/counted.ts'
import { systemClock } from '../platform/clock.ts'
import { onParentGone, onStopSignal, tellParent } from '../platform/process.ts'
import { acting, json, settingOption, wholeNumber } from './command.ts'
import { endingOf } from './exit.ts'
import { print, printJson } from './output.ts'

export interface RunningProgram {
  /** Idempotent. */
  stop(): Promise<void>
  /** Resolves, or rejects with why, when it ends by itself. */
  readonly ended?: Promise<void>
}

/** Runs it until it is to stop. What it says when it is ready goes to who started it. */
export async function untilStopped<P extends RunningProgram>(start: () => Promise<P>, ready: (running: P) => object): Promise<void> {
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => (stop = resolve))
  const signals = onStopSignal(() => stop())
  const parent = onParentGone(() => stop())
  try {
    const running = await tellingWhyNot(start())
    tellParent({ kind: 'ready', ...ready(running) })
    try {
      await (running.ended === undefined ? stopped : Promise.race([stopped, running.ended]))
    } finally {
      await running.stop()
    }
  } finally {
    signals.stop()
    parent.stop()
  }
}

/** Who started this program hears in one line what kept it from starting. */
async function tellingWhyNot<T>(started: Promise<T>): Promise<T> {
  try {
    return await started
  } catch (error) {
    tellParent({ kind: 'cannot-start', line: endingOf(error)?.lines[0] ?? String(error) })
    throw error
  }
}

function programOptions(command: Command): Command {
  return command
    .addOption(settingOption('region'))
    .addOption(settingOption('monitoring-url'))
    .addOption(settingOption('accept-weak-durability'))
    .addOption(settingOption('newest-format'))
}

export function registerAgentProgram(program: Command): Command {
  return programOptions(program.command('agent'))
    .summary('run one agent; list, show and stop agents')
    .description('Runs one agent until it is told to stop; or, with a verb, shows and stops agents.')
    .option('--id <ID>', 'id of the agent in this realm; default: made of the name of the machine and the role')
    .addOption(new Option('--role <ROLE>', 'generic agents may lead; skilled ones are for the sites that they have the skill for').choices(['generic', 'skilled']).default('generic'))
    .option('--skill <KIND...>', 'kinds of sites that it has the skill for')
    .addOption(new Option('--locks <HOW>', 'how it asks for locks: credit says how many it can take; name asks for each job, the next of its queue where one is too early').choices(['credit', 'name']).default('credit'))
    .action(
      acting(async (settings, flags) => {
        const role = flags['role'] as 'generic' | 'skilled'
        const skills = (flags['skill'] as readonly string[] | undefined) ?? []
        const { runAgent } = await import('../up/agent-process.ts')
        await tellingWhyNot(runAgent(settings, { id: flags['id'] as string | undefined, role, skills, locks: flags['locks'] as 'credit' | 'name' }))
      }),
    )
}

export function registerServe(program: Command): void {
  programOptions(program.command('serve'))
    .summary('run one service interface')
    .description('Runs one service interface: the endpoints of the realm on NATS. Several equivalent ones may run.')
    .option('--id <ID>', 'id of this service; default: made of the name of the machine')
    .action(
      acting(async (settings, flags) => {
        const { runService } = await import('../up/service-process.ts')
        await tellingWhyNot(runService(settings, flags['id'] as string | undefined))
      }),
    )
}

export function registerSimulatedSite(program: Command): void {
  json(program.command('simulated-site'))
    .summary('run a simulated site, for trying things out')
    .description('Runs a simulated site: desktops and applications behind HTTP, with a store, sessions and a journal of every call.')
    .option('--port <PORT>', 'port on the loopback interface; 0: any free one', wholeNumber(0, 65_535), 0)
    .option('--host <ADDRESS>', 'address to listen on', '127.0.0.1')
    .option('--name <TEXT>', 'name of a new site', 'Simulated site')
    .option('--services <N>', 'how many services a new site has', wholeNumber(0, 1_000_000), 12)
    .option('--seed <TEXT>', 'what its services are made from', 'reeve')
    .addOption(new Option('--fencing <CLASS>', 'what it does with fencing tokens').choices(['enforced', 'recorded', 'none']).default('enforced'))
    .action(
      acting(async (settings, flags) => {
        const { runSimulatedSite } = await import('../sites/simulated/program.ts')
        await untilStopped(
          async () => {
            const site = await runSimulatedSite({
              data: settings.data,
              host: flags['host'] as string,
              port: flags['port'] as number,
              name: flags['name'] as string,
              services: flags['services'] as number,
              seed: flags['seed'] as string,
              fencing: flags['fencing'] as 'enforced' | 'recorded' | 'none',
              clock: systemClock,
              onError: (error) => print(String(error instanceof Error ? error.stack : error)),
            })
            if (flags['json']) printJson({ ok: true, name: site.name, address: site.address, services: site.services })
            else print(`simulated site ${site.name} with ${counted(site.services, 'service')} at ${site.address}; add it with: reeve site add ID simulated ${site.address}`)
            return { ...site, stop: () => site.close() }
          },
          (site) => ({ address: site.address, port: site.port }),
        )
      }),
    )
}

