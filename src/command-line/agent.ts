/** `reeve agent`: run one agent; look at those that there are. */
import type { Command } from 'commander'
import { acting, json } from './command.ts'
import { print, printFields, printJson, printTable } from './output.ts'
import { allPages } from './pages.ts'
import { registerAgentProgram } from './programs.ts'
import { withSession } from './session.ts'

export function registerAgent(program: Command): void {
  const agent = registerAgentProgram(program)

  json(agent.command('list'))
    .summary('list the agents')
    .description('Lists all agents that the log knows, by id, with what they do just now.')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          const agents = await allPages((after) => ask('agent', 'list', { limit: 1000, ...after }), (page) => page.agents)
          if (flags['json']) return printJson({ ok: true, agents })
          printTable(
            [
              { head: 'agent', cell: (row) => row.agent },
              { head: 'role', cell: (row) => (row.leading ? `${row.role}, leader` : row.role) },
              { head: 'state', cell: (row) => (row.present ? 'alive' : row.phase === 'started' ? 'silent' : row.phase) },
              { head: 'region', cell: (row) => row.region },
              { head: 'skills', cell: (row) => row.skills.join(' ') || '-' },
              { head: 'lanes', cell: (row) => row.lanes.join(' ') || '-' },
              { head: 'queue', align: 'right', cell: (row) => row.assigned },
              { head: 'executing', align: 'right', cell: (row) => row.executing },
            ],
            agents,
            'no agents yet; "reeve agent" starts one',
          )
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
            ['lanes', shown.lanes.join(', ') || '-'],
            ['queue', `${shown.assigned} jobs, ${shown.executing} executing`],
          ])
          for (const one of shown.machines) print(`  ${one.machine}: ${one.state}`)
        }),
      ),
    )
}
