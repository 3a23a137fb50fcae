/** A realm on the world's server: agents as processes of their own, a drill site, and groups that are opened over the wire. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Assignment, JobSpec } from '../../machines/execution-group/events.ts'
import { type SiteEvent, type SiteState, absentSite, addSite, foldSite } from '../../machines/site/site.ts'
import { happened } from '../../machines/decision.ts'
import { type RealmEvent, type RealmState, defaultConstants, emptyRealm, foldRealm, formatVersion } from '../../machines/realm/realm.ts'
import { partsOf } from '../../src/change/parts.ts'
import { laneClient } from '../../src/lane/client.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { canonicalBytes, digestOf, newUlid } from '../../streams/codec.ts'
import { type LaneMappingValue, fromBytes } from '../../streams/coordination.ts'
import type { LaneCommandBody } from '../../streams/lane-protocol.ts'
import { groupId, laneName, singletons } from '../../streams/subjects.ts'
import { eventually } from '../support/eventually.ts'
import { type BenchWorld, benchRealm } from './world.ts'

const program = fileURLToPath(new URL('../../bin/reeve.mjs', import.meta.url))
const stamping = new URL('stamping.ts', import.meta.url).href
const region = 'here'
export const drillSite = 'drill'

export interface AgentProcess {
  readonly agent: string
  readonly child: ChildProcess
  /** File with what it says. */
  readonly log: string
  /** As a power failure would: nothing is said. Resolves when it is gone; the time is that of the signal, milliseconds, monotonic. */
  kill(): Promise<number>
}

export class BenchRealm {
  readonly world: BenchWorld
  readonly agents = new Map<string, AgentProcess>()
  readonly #numbers = new Map<string, number>()

  constructor(world: BenchWorld) {
    this.world = world
  }

  /** Before any agent starts: a realm with so many lanes, as an administrator would define them. */
  async found(lanes: number): Promise<void> {
    const { coordinator, subjects } = this.world
    const { nowMs } = systemClock
    await writeAggregate<RealmState, RealmEvent>(
      { log: coordinator.log, clock: systemClock, random: systemRandom },
      {
        subject: subjects.aggregate('realm', singletons.realm),
        aggregate: 'realm',
        id: singletons.realm,
        empty: emptyRealm(),
        fold: foldRealm,
        decide: () =>
          happened<RealmEvent>(
            { type: 'RealmFounded', data: { format: formatVersion, realm: newUlid(nowMs(), systemRandom), constants: defaultConstants, digest: 'sha256' } },
            { type: 'LanesDefined', data: { region, lanes: Array.from({ length: lanes }, (_, index) => laneName(region, index + 1)) } },
          ),
        actor: 'program:bench',
      },
    )
  }

  /** Resolves when it is present and takes part. `stamped`: it sends `StampsMessage`s. */
  async start(agent: string, role: 'generic' | 'skilled', skills: readonly string[] = [], { stamped = false }: { readonly stamped?: boolean } = {}): Promise<AgentProcess> {
    const { folder, server } = this.world
    const data = join(folder, 'agents')
    mkdirSync(data, { recursive: true })
    const log = join(folder, `${agent}.log`)
    const says = openSync(log, 'a')
    const flags = ['--server', server.url, '--monitoring-url', server.monitoringUrls.join(','), '--realm', benchRealm, '--data', data, '--region', region]
    const skillFlags = skills.length === 0 ? [] : ['--skill', ...skills]
    const profile = process.env['REEVE_BENCH_PROFILE']
    // Nothing listens unless the process is sent SIGUSR1 (`process-memory.ts`).
    const nodeFlags = ['--inspect-port=127.0.0.1:0', ...(profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', join(profile, agent)]), ...(stamped ? ['--import', stamping] : [])]
    const child = spawn(process.execPath, [...nodeFlags, program, 'agent', ...flags, '--id', agent, '--role', role, ...skillFlags], {
      cwd: folder,
      stdio: ['ignore', says, says, 'ipc'],
    })
    const ended = once(child, 'exit')
    const running: AgentProcess = {
      agent,
      child,
      log,
      async kill() {
        const atMs = systemClock.monotonicMs()
        child.kill('SIGKILL')
        await ended
        return atMs
      },
    }
    this.agents.set(agent, running)
    await new Promise<void>((resolve, reject) => {
      child.on('message', (told: { readonly kind: string; readonly line?: string }) => {
        if (told.kind === 'ready') resolve()
        else reject(new Error(`agent ${agent} did not start: ${told.line}`))
      })
      child.once('exit', (code, signal) => reject(new Error(`agent ${agent} ended at its start: ${code ?? signal}`)))
    })
    return running
  }

  async addSite(): Promise<void> {
    const { coordinator, subjects } = this.world
    await writeAggregate<SiteState, SiteEvent>(
      { log: coordinator.log, clock: systemClock, random: systemRandom },
      {
        subject: subjects.aggregate('site', drillSite),
        aggregate: 'site',
        id: drillSite,
        empty: absentSite(drillSite),
        fold: foldSite,
        decide: (state) => addSite(state, { kind: 'drill', address: 'drill://?services=1000', region, fencing: 'none' }),
        actor: 'program:bench',
      },
    )
  }

  /** CPU time of each process, the server's under `server`, milliseconds, as the kernel counts it: in ticks of 10 ms. */
  cpuMs(): Map<string, number> {
    const pids = this.world.server.pids.map((pid): [string, number] => ['server', pid])
    for (const { agent, child } of this.agents.values()) pids.push([agent, child.pid!])
    const msPerTick = 10
    const spent = new Map<string, number>()
    for (const [name, pid] of pids) {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      spent.set(name, (spent.get(name) ?? 0) + (Number(fields[11]) + Number(fields[12])) * msPerTick)
    }
    return spent
  }

  /** Which agent each lane is mapped to. */
  async mapping(): Promise<Map<string, string>> {
    const entries = await this.world.coordinator.mappings.entries()
    const mapping = new Map<string, string>()
    for (const { key, value } of entries) {
      const { lane, agent } = fromBytes<Partial<LaneMappingValue>>(value)
      if (key.startsWith('lane.') && lane !== undefined && agent !== undefined) mapping.set(lane, agent)
    }
    return mapping
  }

  /** Waits until each of so many lanes is mapped to one of these agents, to `atLeast` different ones (each to its own), and answers. */
  async lanesHeldBy(agents: readonly string[], atLeast = Math.min(4, agents.length), count = 4): Promise<ReadonlyMap<string, string>> {
    const { coordinator, subjects } = this.world
    return eventually(
      async () => {
        const mapping = await this.mapping()
        if (mapping.size < count || new Set(mapping.values()).size < atLeast) return undefined
        for (const [lane, agent] of mapping) {
          if (!agents.includes(agent)) return undefined
          const asked = await coordinator.bus.ask(subjects.pingLane(agent, lane), new Uint8Array(), { timeoutMs: 500 })
          if (asked.kind !== 'answer') return undefined
        }
        return mapping
      },
      { what: 'lanes held by the agents', withinMs: 30_000 },
    )
  }

  /** Opens a group and adds its jobs; what is returned seals it. */
  async open(lane: string, jobs: readonly JobSpec[], terms: { readonly order?: 'none'; readonly window?: number } = {}, proposed: readonly Assignment[] = []): Promise<{ readonly group: string; seal(): Promise<void> }> {
    const command = newUlid(systemClock.nowMs(), systemRandom)
    const group = groupId(lane, command)
    const plan = digestOf(canonicalBytes({ jobs }))
    const parts = partsOf(jobs)
    const send = (body: LaneCommandBody, withId = false) => this.#send(lane, group, body, withId ? command : undefined)
    await send({ kind: 'open', name: 'bench', jobs: jobs.length, parts: parts.length, plan, window: 1, region, distributionFactor: 100, ...terms }, true)
    for (const [index, part] of parts.entries()) await send({ kind: 'add', plan, part: index + 1, jobs: part })
    // As a service proposes it, at the revision that the parts lead to.
    if (proposed.length > 0) await send({ kind: 'assign', assignments: proposed, ifRevision: 1 + parts.length })
    return { group, seal: () => send({ kind: 'seal', plan }) }
  }

  async #send(lane: string, group: string, body: LaneCommandBody, command: string | undefined): Promise<void> {
    const { coordinator, subjects } = this.world
    const client = laneClient({ bus: coordinator.bus, subjects })
    await eventually(
      async () => {
        const builtOn = { incarnation: coordinator.log.incarnation, number: this.#numbers.get(lane) ?? 0 }
        const answer = await client.send(lane, { builtOn, group, actor: 'program:bench', ...(command === undefined ? {} : { command }), body })
        if (answer.kind === 'refused') throw new Error(`${body.kind} of ${group} was refused: ${answer.text}`)
        if (answer.kind !== 'done') return undefined
        this.#numbers.set(lane, Math.max(this.#numbers.get(lane) ?? 0, answer.number))
        return true
      },
      { what: `${body.kind} of ${group}`, withinMs: 20_000 },
    )
  }

  /** Of a group that is there. */
  tell(lane: string, group: string, kind: 'pause' | 'resume' | 'cancel'): Promise<void> {
    return this.#send(lane, group, { kind }, undefined)
  }

  /** Those that are profiled are told to stop, so that they write what they saw. */
  async stop(): Promise<void> {
    for (const { child } of this.agents.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.kill(process.env['REEVE_BENCH_PROFILE'] === undefined ? 'SIGKILL' : 'SIGTERM')
      await ended
    }
  }
}

/** A job that goes the whole way of a job and changes nothing, for whoever has the skill. */
export function rehearsal(skill: string): JobSpec {
  const { site, service, operation, repeatable } = anyonesRehearsal
  // In the order in which a change writes it: other orders are read more slowly.
  return { site, service, operation, skill: { name: skill, need: 'required' }, repeatable }
}

/** For any agent: the kind of job that a service proposes an agent for. */
export const anyonesRehearsal: JobSpec = { site: drillSite, service: 's00001', operation: { name: 'rehearse' }, repeatable: true }
