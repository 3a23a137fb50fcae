/**
 * What builds are made to do [610]: asked of agents as they connect, recorded once for each build, so that it is known while
 * they are away.
 *
 * 1. Of an instance whose manifest is not on record it is asked again each round until it is; at most one question an agent is open.
 */
import { type ManifestEvent, type ManifestState, absentManifest, foldManifest, manifestId, recordManifest, shortDigest } from '../../machines/agent/manifest.ts'
import type { AgentDescription } from '../../streams/agent-messages.ts'
import { canonicalBytes, digestOf } from '../../streams/codec.ts'
import { fromBytes, isRecord, toBytes } from '../../streams/coordination.ts'
import type { AgentContext } from '../agent/context.ts'
import { writeAggregate } from '../realm/aggregate-writer.ts'
import { feedWritten } from '../realm/feed.ts'

const answerMs = 2_000

export class Manifests {
  readonly #context: AgentContext
  readonly #epoch: number
  readonly #signal: AbortSignal
  readonly #asking = new Set<string>()

  constructor(context: AgentContext, epoch: number, signal: AbortSignal) {
    this.#context = context
    this.#epoch = epoch
    this.#signal = signal
  }

  /** Not waited for: what is recorded is seen in the log. */
  ask(agent: string): void {
    if (this.#asking.has(agent)) return
    this.#asking.add(agent)
    this.#askAndRecord(agent)
      .catch((error: unknown) => {
        if (!this.#signal.aborted) this.#context.logger.warn({ err: error, agent }, 'what an agent is built to do could not be recorded')
      })
      .finally(() => this.#asking.delete(agent))
  }

  async #askAndRecord(agent: string): Promise<void> {
    const { coordinator, clock, random, subjects } = this.#context
    const asked = await coordinator.bus.ask(subjects.toAgent(agent, 'describe'), toBytes({}), { timeoutMs: answerMs, accept: isRecord })
    if (asked.kind !== 'answer' || this.#signal.aborted) return
    const { manifest } = fromBytes<AgentDescription>(asked.data)
    if (manifest === undefined) return
    const id = manifestId(shortDigest(digestOf(canonicalBytes(manifest))))
    const written = await writeAggregate<ManifestState, ManifestEvent>(
      { log: coordinator.log, clock, random, signal: this.#signal },
      {
        subject: subjects.aggregate('config', id),
        aggregate: 'config',
        id,
        empty: absentManifest(id),
        fold: foldManifest,
        decide: (state) => recordManifest(state, manifest),
        actor: `agent:${this.#context.agent}`,
        epoch: this.#epoch,
        format: this.#context.realm.state.format,
      },
    )
    feedWritten(coordinator.bus, subjects, written)
    if (written.kind === 'refused') this.#context.logger.warn({ agent, text: written.refusal.text }, 'what an agent is built to do could not be recorded')
  }
}
