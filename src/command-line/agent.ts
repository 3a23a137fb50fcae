/** `reeve agent`: run one agent; look at those that there are. */
import type { Command } from 'commander'
import { counted } from '../../machines/counted.ts'
import { pause } from '../../streams/ports/clock.ts'
import { stateText } from '../inspection/state-text.ts'
import { systemClock } from '../platform/clock.ts'
import { acting, actorOf, commandIdOf, commandOption, dryRun, json } from './command.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { quarantineText } from './follow.ts'
import { hint, plain, print, printFields, printJson, printTable, styled } from './output.ts'
import { allPages } from './pages.ts'
import { configurationFields, registerAgentConfigure } from './agent-configuration.ts'
import { registerAgentProgram } from './programs.ts'
import { type Session, withSession } from './session.ts'

export function registerAgent(program: Command): void {
  const agent = registerAgentProgram(program)

  json(agent.command('list'))
    .summary('list the agents')
    .description('Lists all agents that the log knows, by id, with what they do just now.')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          const agents = await allPages((after) => ask('agent', 'list', { limit: 1000, ...after }), (page) => page.agents)
          const { quarantine } = await ask('realm', 'show', {})
          if (flags['json']) return printJson({ ok: true, agents, quarantine })
          printTable(
            [
              { head: 'agent', cell: (row) => row.agent },
              { head: 'role', cell: (row) => (row.leading ? `${row.role}, leader` : row.role) },
              { head: 'state', cell: (row) => (row.present ? 'alive' : row.phase === 'started' ? 'silent' : row.phase) },
              { head: 'region', cell: (row) => row.region },
              { head: 'format', align: 'right', cell: (row) => row.formats ?? '-' },
              { head: 'skills', cell: (row) => row.skills.join(' ') || '-' },
              { head: 'lanes', cell: (row) => row.lanes.join(' ') || '-' },
              { head: 'queue', align: 'right', cell: (row) => row.assigned },
              { head: 'executing', align: 'right', cell: (row) => row.executing },
              { head: 'lanes\' jobs/s', align: 'right', cell: (row) => row.jobsPerSecond ?? '-' },
            ],
            agents,
            'no agents yet; "reeve agent" starts one',
          )
          if (quarantine !== null) hint(styled('yellow', quarantineText(quarantine)))
        }),
      ),
    )

  json(agent.command('mapping'))
    .summary('show who is mapped to what')
    .description(
      'Shows the mapping collection that the leader keeps: the default execution groups (agents by region and skill), which placement starts from, and who is to hold each lane, and which of those groups the jobs of each trigger will ask for. A trigger that a site has of itself, for its sync job, comes with that job.',
    )
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          const answer = await ask('agent', 'mapping', {})
          if (flags['json']) return printJson(answer)
          const { mapping } = answer
          if (mapping === null) return print('no mapping yet: no leader has written it, or the realm is of format 1')
          printTable(
            [
              { head: 'region', cell: (row) => row.region },
              { head: 'skill', cell: (row) => row.skill ?? '-' },
              { head: 'agents', cell: (row) => row.agents.join(' ') },
            ],
            mapping.groups,
            'no default execution groups: no agent may be given jobs',
          )
          printTable([{ head: 'lane', cell: (row) => row.lane }, { head: 'to be held by', cell: (row) => row.agent }], mapping.lanes, 'no lanes yet: no program has founded the realm')
          if (mapping.triggers.length === 0) return
          printTable(
            [
              { head: 'trigger', cell: (row) => row.trigger },
              { head: 'asks for', cell: (row) => row.groups.map(({ region, skill }) => `${skill ?? 'no skill'} in ${region}`).join(', ') || '-' },
              { head: 'no agent for', cell: (row) => row.missing.join(', ') || '-' },
            ],
            mapping.triggers,
            '',
          )
          if (mapping.moreTriggers > 0) print(`and ${counted(mapping.moreTriggers, 'more trigger')}`)
        }),
      ),
    )

  json(agent.command('show'))
    .summary('show one agent and the states of its machines')
    .description('Shows one agent and the states of its machines.')
    .argument('<agent>', 'id of the agent')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, async ({ ask }) => {
          const shown = await ask('agent', 'show', { agent: id! })
          if (flags['json']) return printJson(shown)
          printFields([
            ['agent', shown.agent],
            ['role', shown.leading ? `${shown.role}, leader` : shown.role],
            ['state', shown.present ? 'alive' : shown.phase === 'started' ? 'silent' : shown.phase],
            ['instance', shown.instance || '-'],
            ['region', shown.region],
            ['skills', shown.skills.join(', ') || '-'],
            ['build', shown.build],
            ['coordinator', shown.coordinator === null ? '-' : `${shown.coordinator.url}${shown.coordinator.region === null ? '' : `, region ${shown.coordinator.region}`}`],
            ['format', shown.formats === null ? '-' : `knows up to ${shown.formats}`],
            ['lanes', shown.lanes.join(', ') || '-'],
            ['load', shown.jobsPerSecond === undefined ? '-' : `its lanes settle ${counted(shown.jobsPerSecond, 'job')} in ${counted(shown.turnsPerSecond ?? 0, 'turn')} a second`],
            ['queue', `${counted(shown.assigned, 'job')}, ${shown.executing} executing`],
            ...configurationFields(shown),
          ])
          for (const one of shown.machines) print(`  ${plain(one.machine)}: ${plain(stateText(one.state))}`)
        }),
      ),
    )

  registerAgentConfigure(agent)

  commandOption(dryRun(json(agent.command('stop'))))
    .summary('tell one agent to stop')
    .description('Tells one agent to stop: it finishes what it executes and hands back the rest.')
    .argument('<agent>', 'id of the agent')
    .option('--force', 'abort its calls instead of finishing them')
    .option('--wait', 'until its presence is gone')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, async ({ ask }) => {
          const shown = await ask('agent', 'show', { agent: id! })
          if (flags['dryRun']) {
            if (flags['json']) return printJson({ ok: true, dryRun: true, agent: id, present: shown.present, executing: shown.executing, lanes: shown.lanes })
            return print(`would stop agent ${id}: ${shown.present ? `${counted(shown.executing, 'job')} executing, lanes ${shown.lanes.join(' ') || 'none'}` : 'it does not run'}`)
          }
          const stopped = await ask('agent', 'stop', { agent: id!, mode: flags['force'] === true ? 'forced' : 'graceful', actor: actorOf(), command: commandIdOf(flags) })
          if (flags['wait']) await untilGone(ask, id!, stopped.instance)
          if (flags['json']) return printJson(stopped)
          print(`agent ${id} ${flags['wait'] ? 'has stopped' : 'is stopping'} (instance ${stopped.instance})`)
        }),
      ),
    )
}

const goneMs = 60_000

async function untilGone(ask: Session['ask'], agent: string, instance: string): Promise<void> {
  const endMs = systemClock.monotonicMs() + goneMs
  for (;;) {
    const shown = await ask('agent', 'show', { agent })
    if (shown.instance !== instance || !shown.present) return
    if (systemClock.monotonicMs() >= endMs) throw new CommandEnd(exitCodes.failed, `agent ${agent} has not stopped within ${goneMs / 1000} s; stop it with --force`)
    await pause(systemClock, 200)
  }
}
