/** The incarnations of a realm on NATS: which there are, and how the next one is made. */
import { Objm } from '@nats-io/obj'
import { newUlid } from '../codec.ts'
import type { BucketEntry } from '../ports/bucket.ts'
import type { Clock, Random } from '../ports/clock.ts'
import type { TextStore } from '../ports/coordinator.ts'
import { Unavailable } from '../ports/event-log.ts'
import { type Incarnations, MadeByAnother, type NextIncarnation, type WholeLog, WrittenMeanwhile } from '../ports/incarnations.ts'
import { type Subjects, bucketKinds, subjectsOf } from '../subjects.ts'
import { JetStreamBucket } from './bucket.ts'
import { type ConnectOptions, replicasOf, requireServer } from './connect.ts'
import { openLink } from './open-link.ts'
import { apiCodes } from './error-codes.ts'
import { JetStreamEventLog } from './event-log.ts'
import type { Link } from './link.ts'
import { askIfMade, sayMade } from './making.ts'
import { JetStreamNextIncarnation, type Unfinished, isUnfinished, makerKey, makerOf, slowAnswerMs, unfinishedDefinition } from './next-incarnation.ts'
import { bucketDefinition, configOf, ensureStream, findIncarnations, schedulesDefinition } from './streams-definition.ts'
import { openTextStore } from './text-store.ts'

interface Info extends Unfinished {
  readonly created: string
  readonly state: { readonly messages: number; readonly last_seq: number }
}

/** The log that the next one takes the place of, as it was before. */
interface Former {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
}

/** Throws `Unavailable`, `ServerTooOld`. */
export async function openIncarnations(options: ConnectOptions): Promise<Incarnations> {
  const link = await openLink(options)
  try {
    requireServer(link, options.servers)
  } catch (error) {
    await link.close()
    throw error
  }
  return new JetStreamIncarnations(link, subjectsOf(options.realm), options.clock, options.random)
}

export class JetStreamIncarnations implements Incarnations {
  readonly #link: Link
  readonly #subjects: Subjects
  readonly #clock: Clock
  readonly #random: Random
  readonly #replicas: number

  constructor(link: Link, subjects: Subjects, clock: Clock, random: Random) {
    this.#link = link
    this.#subjects = subjects
    this.#clock = clock
    this.#random = random
    this.#replicas = replicasOf(link)
  }

  async whole(): Promise<WholeLog | undefined> {
    const found = (await findIncarnations(this.#link, this.#subjects)).sort((left, right) => right - left)
    for (const incarnation of found) {
      const info = await this.#info(this.#subjects.streamName(incarnation))
      if (info === undefined || isUnfinished(this.#subjects, incarnation, info.config)) continue
      return { incarnation, turns: info.state.messages, log: new JetStreamEventLog(this.#link, this.#subjects.streamName(incarnation), incarnation) }
    }
    return undefined
  }

  async presences(): Promise<readonly BucketEntry[]> {
    const name = this.#subjects.bucketName('agents')
    if ((await configOf(this.#link, `KV_${name}`)) === undefined) return []
    return new JetStreamBucket(this.#link, name, { expires: true, ensure: async () => {} }).entries()
  }

  texts(): Promise<TextStore> {
    return openTextStore(this.#link, `${this.#subjects.realm}_texts`, true, this.#replicas)
  }

  async begin(incarnation: number): Promise<NextIncarnation> {
    for (const found of await findIncarnations(this.#link, this.#subjects)) await this.#dropUnfinished(found)
    const { name, fields } = unfinishedDefinition(this.#subjects, incarnation)
    const { persist_mode: _, mirror: _m, sources: _s, republish: _r, ...wanted } = fields
    const maker = newUlid(this.#clock.nowMs(), this.#random)
    const saying = sayMade(this.#link, this.#subjects, incarnation)
    try {
      const answer = await this.#link.api(`STREAM.CREATE.${name}`, { name, ...wanted, num_replicas: this.#replicas, metadata: { [makerKey]: maker } }, slowAnswerMs)
      if (!answer.ok && answer.error.err_code === apiCodes.streamNameInUse) throw new MadeByAnother(`somebody else has just begun to make incarnation ${incarnation}: look who, and repeat this`)
      if (!answer.ok) throw new Unavailable(`the server cannot make stream ${name} now: ${answer.error.description} (${answer.error.err_code})`)
    } catch (error) {
      saying.stop()
      throw error
    }
    let former: Former | undefined
    return new JetStreamNextIncarnation(this.#link, this.#subjects, incarnation, maker, {
      makeRoom: (formerEnd) => this.#makeRoom(incarnation, formerEnd, (closed) => (former = closed)),
      undo: async () => {
        if (former !== undefined) await this.#reopen(former)
        await this.#removeUnfinished(incarnation, maker)
      },
      over: () => saying.stop(),
    })
  }

  close(): Promise<void> {
    return this.#link.close()
  }

  /** What a killed import has left; not what another one makes at this moment, which says so, however long it writes nothing. */
  async #dropUnfinished(incarnation: number): Promise<void> {
    const name = this.#subjects.streamName(incarnation)
    const before = await this.#info(name)
    if (before === undefined || !isUnfinished(this.#subjects, incarnation, before.config)) return
    const made = () => new MadeByAnother(`somebody else imports or restores this realm at this moment (stream ${name}): wait for its end, then repeat this`)
    if (await askIfMade(this.#link, this.#subjects, incarnation)) throw made()
    const after = await this.#info(name)
    if (after === undefined) return
    if (after.created !== before.created || after.state.last_seq !== before.state.last_seq) throw made()
    await this.#removeUnfinished(incarnation, makerOf(before.config))
  }

  async #makeRoom(incarnation: number, formerEnd: number, closing: (former: Former | undefined) => void): Promise<void> {
    const link = this.#link
    await this.#closeFormer(incarnation, formerEnd, closing)
    for (const definition of [schedulesDefinition(this.#subjects), ...bucketKinds.map((kind) => bucketDefinition(this.#subjects, kind))]) {
      await ensureStream(link, definition, true, this.#replicas)
      // Their revisions go on: nobody who knew them before finds his own again.
      await this.#demand(`STREAM.PURGE.${definition.name}`, `empty stream ${definition.name}`)
    }
    for await (const status of new Objm(link.connection).list()) if (status.bucket === this.#subjects.snapshotsName) await this.#demand(`STREAM.PURGE.OBJ_${status.bucket}`, `empty the object store ${status.bucket}`)
  }

  /** Nothing can be written to the former log any more; only then is it known where it ends. `closing` is told what to undo. */
  async #closeFormer(incarnation: number, formerEnd: number, closing: (former: Former | undefined) => void): Promise<void> {
    for (const found of await findIncarnations(this.#link, this.#subjects)) {
      if (found === incarnation) continue
      const name = this.#subjects.streamName(found)
      const before = await this.#info(name)
      if (before === undefined || !(before.config['subjects'] as readonly string[]).includes(this.#subjects.allEvents)) continue
      const former = { name, config: before.config }
      closing(former)
      // Without any, the server gives it its own name.
      await this.#demand(`STREAM.UPDATE.${name}`, `take the subjects from stream ${name}`, { ...before.config, subjects: [] })
      const after = await this.#info(name)
      const end = after?.state.last_seq ?? 0
      if (end === 0) {
        // Nothing was ever written there.
        await this.#delete(name)
        closing(undefined)
      } else if (end !== formerEnd) {
        throw new WrittenMeanwhile(`somebody has written to stream ${name} meanwhile (it goes on to position ${end}, ${formerEnd} was taken over): stop every agent and service, and repeat this`)
      }
    }
  }

  /** It is the log of the realm again, as it was. */
  async #reopen({ name, config }: Former): Promise<void> {
    await this.#demand(`STREAM.UPDATE.${name}`, `give stream ${name} its subjects back`, config)
  }

  /** Only what this maker has begun, and nobody has made the log of the realm: there is no asking for that in the deletion itself. */
  async #removeUnfinished(incarnation: number, maker: string | undefined): Promise<void> {
    const name = this.#subjects.streamName(incarnation)
    const info = await this.#info(name)
    if (info === undefined || !isUnfinished(this.#subjects, incarnation, info.config) || makerOf(info.config) !== maker) return
    await this.#delete(name)
  }

  async #delete(name: string): Promise<void> {
    const answer = await this.#link.api(`STREAM.DELETE.${name}`, undefined, slowAnswerMs)
    if (!answer.ok && answer.error.err_code !== apiCodes.streamNotFound) throw new Unavailable(`the server cannot remove stream ${name} now: ${answer.error.description}`)
  }

  async #demand(verb: string, what: string, payload?: unknown): Promise<void> {
    const answer = await this.#link.api(verb, payload, slowAnswerMs)
    if (!answer.ok) throw new Unavailable(`the server cannot ${what} now: ${answer.error.description} (${answer.error.err_code})`)
  }

  async #info(stream: string): Promise<Info | undefined> {
    const answer = await this.#link.api<Info>(`STREAM.INFO.${stream}`)
    if (answer.ok) return answer.value
    if (answer.error.err_code === apiCodes.streamNotFound) return undefined
    throw new Unavailable(`the server does not describe stream ${stream}: ${answer.error.description}`)
  }
}
