/** `reeve machine list`: every machine of the realm with its present state; or the definitions, without a realm. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { registeredMachines } from '../../machines/registry.ts'
import { definitionName } from '../../streams/agent-messages.ts'
import type { ApiSuccess } from '../../streams/api/catalogue.ts'
import { isMachine } from '../inspection/transitions.ts'
import { stateText } from '../inspection/state-text.ts'
import { graphOf } from '../machine-export/graph.ts'
import { systemClock } from '../platform/clock.ts'
import { shortTimeText } from '../platform/time-text.ts'
import { acting, json } from './command.ts'
import { print, printJson, printTable, styled } from './output.ts'
import { allPages } from './pages.ts'
import { type Session, withSession } from './session.ts'

export function registerMachineList(machine: Command): void {
  json(machine.command('list'))
    .summary('list every machine of the realm with its state')
    .description(
      "Lists every machine of the realm with its present state: those that the agents run, as the agents say (else as last heard), and those that the log is folded into. With --definitions what they are instances of; no server is needed for that.",
    )
    .addOption(agentOption('only machines that this agent runs'))
    .addOption(machineOption('only machines of this name or definition'))
    .option('--ended', 'also groups that have ended')
    .addOption(new Option('--definitions', 'list the definitions instead').conflicts(['agent', 'machine', 'ended']))
    .action(
      acting(async (settings, flags) => {
        if (flags['definitions']) return listDefinitions(flags['json'] === true)
        await withSession(settings, async (session) => {
          const wanted = { agent: flags['agent'] as string | undefined, machine: flags['machine'] as string | undefined, ended: flags['ended'] === true }
          const listed = await listMachines(session, wanted)
          if (flags['json']) printJson({ ok: true, ...listed })
          else printMachines(listed, wanted.agent === undefined)
        })
      }),
    )
}

type Processes = ApiSuccess<'machine', 'list'>['machines']
type Aggregates = ApiSuccess<'machine', 'aggregates'>

interface Listed {
  readonly machines: Processes
  readonly aggregates: Aggregates['machines']
  readonly counts: Aggregates['counts']
}

async function listMachines({ ask }: Session, wanted: { readonly agent: string | undefined; readonly machine: string | undefined; readonly ended: boolean }): Promise<Listed> {
  const { agent, machine, ended } = wanted
  // Says what is wrong with an id that no agent has.
  if (agent !== undefined) await ask('agent', 'show', { agent })
  const { machines } = await ask('machine', 'list', agent === undefined ? {} : { agent })
  const chosen = machines.filter((one) => isMachine(machine, one.machine))
  if (agent !== undefined) return { machines: chosen, aggregates: [], counts: [] }
  let counts: Aggregates['counts'] = []
  const aggregates = await allPages(
    async (after) => {
      const page = await ask('machine', 'aggregates', { ...after, ended, limit: 1000 })
      if (after.after === undefined) counts = page.counts
      return page
    },
    (page) => page.machines,
  )
  return {
    machines: chosen,
    aggregates: aggregates.filter((one) => machine === undefined || one.machine === machine),
    counts: counts.filter((one) => machine === undefined || one.machine === machine),
  }
}

function printMachines({ machines, aggregates, counts }: Listed, ofLog: boolean): void {
  printTable(
    [
      { head: 'agent', cell: (row) => row.agent },
      { head: 'machine', cell: (row) => row.machine },
      { head: 'state', cell: (row) => stateText(row.state) },
      { head: 'heard', cell: (row) => shortTimeText(row.atMs, systemClock.nowMs()) },
    ],
    machines,
    'no machine of an agent: no agent runs, or none of that name',
  )
  if (!ofLog) return
  print()
  printTable(
    [
      { head: 'machine', cell: (row) => row.machine },
      { head: 'id', cell: (row) => row.id },
      { head: 'state', cell: (row) => row.state },
      { head: 'revision', align: 'right', cell: (row) => row.revision },
      { head: 'about', cell: (row) => row.about || '-' },
    ],
    aggregates,
    'none of the log that is unfinished; --ended lists the others',
  )
  const kinds = [...new Set(counts.map((one) => one.machine))]
  if (kinds.length > 0) print()
  for (const kind of kinds) {
    const states = counts.filter((one) => one.machine === kind).map(({ state, count }) => `${count} ${state}`)
    print(`${styled('dim', kind.padEnd(5))}  ${states.join(', ')}`)
  }
}

function listDefinitions(asJson: boolean): void {
  const rows = registeredMachines.map(({ name, kind, about, machine: definition }) => {
    const graph = graphOf(definition)
    return { name, kind, about, states: graph.states.length - 1, transitions: graph.transitions.length }
  })
  if (asJson) return printJson({ ok: true, definitions: rows })
  printTable(
    [
      { head: 'machine', cell: (row) => row.name },
      { head: 'kind', cell: (row) => row.kind },
      { head: 'states', align: 'right', cell: (row) => row.states },
      { head: 'transitions', align: 'right', cell: (row) => row.transitions },
      { head: 'about', cell: (row) => row.about },
    ],
    rows,
    'none',
  )
}

export function agentOption(description: string): Option {
  return new Option('--agent <ID>', description)
}

/** By the name of a definition, or of one machine among several of a definition (`lane-holder-here-1`). */
export function machineOption(description: string, kinds: readonly string[] = ['process', 'aggregate']): Option {
  const names = registeredMachines.filter((one) => kinds.includes(one.kind)).map((one) => one.name)
  return new Option('--machine <NAME>', description).argParser((text: string) => {
    if (!names.includes(definitionName(text))) throw new InvalidArgumentError(`there is no such machine; there are ${names.join(', ')}.`)
    return text
  })
}
