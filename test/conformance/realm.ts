/** What a conformance suite needs from an adapter: connections, and the faults that every adapter must bear. */
import { afterEach, beforeEach } from 'vitest'
import type { BucketKind } from '../../streams/subjects.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'

export type Loss = 'request' | 'answer'

export interface ConformanceRealm extends AsyncDisposable {
  /** Of all names in subjects. */
  readonly realm: string
  connect(name: string): Promise<Coordinator>
  /** The next append on this subject: it never arrives, or its acknowledgement does not. */
  loseNextAppend(subject: string, loss: Loss): void
  /** Likewise for the next write of this key. */
  loseNextBucketWrite(bucket: string, key: string, loss: Loss): void
  /** The server goes without a word and comes back with the same data. Resolves when it is back; clients reconnect by themselves. */
  interrupt(): Promise<void>
  /** The server goes; `start` brings it back. */
  stop(): Promise<void>
  start(): Promise<void>
  /** As after a restore: the log has the next incarnation (P12). */
  raiseIncarnation(): Promise<void>
  /** A person deletes the whole bucket while programs use it. */
  deleteBucket(kind: BucketKind): Promise<void>
  purge(subject: string, upTo: number): Promise<void>
  deleteAlarms(): Promise<void>
}

export type RealmFactory = () => Promise<ConformanceRealm>

/** For each test of the suite that asks for it: a realm of its own, ended after it, and the client `first`. */
export function eachInItsRealm(factory: RealmFactory): { readonly realm: ConformanceRealm; readonly client: Coordinator } {
  let realm: ConformanceRealm
  let client: Coordinator
  beforeEach(async () => {
    realm = await factory()
    client = await realm.connect('first')
  })
  afterEach(() => realm[Symbol.asyncDispose]())
  return {
    get realm() {
      return realm
    },
    get client() {
      return client
    },
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
export const bytesOf = (text: string): Uint8Array => encoder.encode(text)
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes)
