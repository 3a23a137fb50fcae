/**
 * Somebody who archives the lanes of a simulated world, and is killed between any two steps. Connects anew for each attempt, as each is a command
 * of its own; the shelf is a disk that nothing befalls.
 */
import { createHash } from 'node:crypto'
import { type ArchiveFailpoint, archiveLane } from '../../src/archive/archive.ts'
import { type ArchiveName, type ArchiveToWrite, type VerifiedArchive, archiveFileName } from '../../src/archive/file.ts'
import { realmOf } from '../../src/archive/lanes.ts'
import type { ArchiveShelf } from '../../src/archive/shelf.ts'
import { decodeTurn, digestOf } from '../../streams/codec.ts'
import type { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { Dice } from './dice.ts'

interface Kept {
  readonly name: ArchiveName
  readonly archive: ArchiveToWrite
  readonly messages: readonly StoredMessage[]
}

class Killed extends Error {}

export class Archivist {
  readonly #realm: MemoryRealm
  readonly #subjects: Subjects
  readonly #clock: Clock
  readonly #dice: Dice
  readonly #say: (what: string) => void
  readonly #kept = new Map<string, Kept>()
  #acts = 0
  #last: Promise<void> = Promise.resolve()
  /** What no attempt may end with. */
  failure: Error | undefined

  constructor(realm: MemoryRealm, subjects: Subjects, clock: Clock, dice: Dice, say: (what: string) => void) {
    this.#realm = realm
    this.#subjects = subjects
    this.#clock = clock
    this.#dice = dice
    this.#say = say
  }

  /** One lane, up to some age; often killed on the way. */
  archive(lane: string): void {
    const dice = this.#dice
    const olderThanMs = dice.pick([0, 300, 2_000, 8_000])
    const killed = dice.pick<ArchiveFailpoint | undefined>(['snapshot-cut', 'text-put', 'file-written', 'file-verified', 'recorded', 'purged', undefined, undefined, undefined])
    this.#last = this.#last.then(() => this.#act(lane, olderThanMs, killed))
  }

  /** The log as it was, of what is left of it. */
  whole(left: readonly StoredMessage[]): StoredMessage[] {
    const all = new Map<number, StoredMessage>()
    for (const { messages } of this.#kept.values()) for (const message of messages) all.set(message.position, message)
    for (const message of left) all.set(message.position, message)
    return [...all.values()].sort((a, b) => a.position - b.position)
  }

  async #act(lane: string, olderThanMs: number, killed: ArchiveFailpoint | undefined): Promise<void> {
    const coordinator = this.#realm.connect({ name: `archivist.${++this.#acts}`, clock: this.#clock })
    try {
      const { constants, founded } = await realmOf(coordinator.log, this.#subjects)
      if (!founded) return
      const context = { coordinator, subjects: this.#subjects, clock: this.#clock, random: this.#dice, constants, logger: { info() {}, warn() {}, debug() {} } }
      const failpoint = async (name: ArchiveFailpoint) => {
        if (name === killed) throw new Killed(`killed at ${name}`)
      }
      const done = await archiveLane(context, { lane, shelf: this.#shelf(coordinator.log), olderThanMs, actor: 'person:archivist', signal: new AbortController().signal, failpoint })
      this.#say(`archived ${JSON.stringify(done)}`)
    } catch (error) {
      this.#say(`archives ${lane}: ${String(error)}`)
      // Nobody answers, the realm is of format 1, or the lane is in the hands of one who is gone: all of that may be.
      const may = error instanceof Killed || ['Unavailable', 'LogMissing', 'ArchiveRefused'].includes((error as Error).name)
      if (!may || /are missing|is broken|does not go on|another file|is there, and is not/.test((error as Error).message)) this.failure ??= error as Error
    } finally {
      await coordinator.close()
    }
  }

  #shelf(log: EventLog): ArchiveShelf {
    const kept = this.#kept
    return {
      pathOf: archiveFileName,
      prepare: async () => {},
      archivesOf: async ({ lane }) => [...kept.values()].map(({ name }) => name).filter((name) => name.lane === lane).sort((a, b) => a.from - b.from || a.number - b.number),
      has: async (name) => kept.has(archiveFileName(name)),
      seemsWhole: async (name) => kept.has(archiveFileName(name)),
      async write(name, archive) {
        const messages: StoredMessage[] = []
        for await (const batch of log.read({ subjects: [archive.subject], from: archive.fromPosition, until: archive.untilPosition })) messages.push(...batch)
        kept.set(archiveFileName(name), { name, archive, messages })
      },
      async verify(name): Promise<VerifiedArchive> {
        const path = archiveFileName(name)
        const { archive, messages } = kept.get(path)!
        const { realm, lane, from, number, previous, turn, snapshot, fromPosition, untilPosition, subject, bytes } = archive
        const hash = createHash('sha256').update(bytes)
        let before = { number: from - 1, digest: previous }
        for (const message of messages) {
          const { number: own, previous: names } = decodeTurn(message.bytes)
          if (own !== before.number + 1 || names !== before.digest) throw new Error(`${path}: turn ${own} does not go on from ${before.number}`)
          before = { number: own, digest: digestOf(message.bytes) }
          hash.update(message.bytes)
        }
        if (before.number !== number || before.digest !== turn || digestOf(bytes) !== snapshot) throw new Error(`${path} is not whole`)
        const header = { format: 'reeve-log', version: 1, realm, incarnation: log.incarnation, from: fromPosition, until: untilPosition, subjects: [subject], redacted: false, archive: { lane, from, number, previous, turn, snapshot }, digest: 'sha256-chain-1' } as const
        return { path, header, file: hash.digest('hex'), turns: messages.length }
      },
    }
  }
}
