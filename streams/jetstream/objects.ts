/**
 * Reading what lies in an object store of NATS (ADR-20), message by message, without a consumer, and from the stream's leader, but for what never changes. The client makes
 * one for each object, on the disk, and leaves it behind: the server drops it when nobody has heard it for 5 min, but a server that ends before
 * keeps it, and then waits for another 5 min after each of its starts.
 */
import { Unavailable } from '../ports/event-log.ts'
import { apiCodes } from './error-codes.ts'
import type { Link } from './link.ts'
import { type LeaderMessage, type MessageQuery, StreamMissing, directMessage, messageFromLeader } from './stored.ts'

export const objectStream = (bucket: string): string => `OBJ_${bucket}`
export const chunkSubject = (bucket: string, nuid: string): string => `$O.${bucket}.C.${nuid}`
export const aboutSubject = (bucket: string, name: string): string => `$O.${bucket}.M.${Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`

/** What describes an object, as far as it is read here. */
export interface ObjectAbout {
  readonly name: string
  /** Names its chunks. */
  readonly nuid: string
  readonly chunks: number
  readonly size: number
  readonly deleted?: boolean
}

/** As the client cuts them, at most. */
const chunkBytes = 128 * 1024
/** Nothing that is put is larger. */
const mostBytes = 0x7fff_ffff
/** Chunks that are asked for at once. */
const readAhead = 8
/** Of fewer chunks an object is had as fast from the leader. */
const manyChunks = 16
/** A server that has stopped may be the one that is asked. */
const directTimeoutMs = 500

/** Undefined where no such object is. Throws `Unavailable`, of a store that is not there `StreamMissing`. */
export async function readObject(link: Link, bucket: string, name: string): Promise<Uint8Array | undefined> {
  const about = await aboutObject(link, bucket, name)
  return about === undefined ? undefined : readChunks(link, bucket, about)
}

/** Undefined where no such object is. Throws `Unavailable`, of a store that is not there `StreamMissing`. */
export async function aboutObject(link: Link, bucket: string, name: string): Promise<ObjectAbout | undefined> {
  return aboutAt(link, bucket, aboutSubject(bucket, name))
}

/** The client, which looks at what describes an object before it puts or removes one, fails at what describes none. Throws as `aboutObject`. */
export async function forgetDamaged(link: Link, bucket: string, name: string): Promise<void> {
  const subject = aboutSubject(bucket, name)
  const found = await messageFromLeader(link, objectStream(bucket), { last_by_subj: subject })
  if (found === undefined || aboutIn(found.data) !== undefined) return
  const answer = await link.api(`STREAM.PURGE.${objectStream(bucket)}`, { filter: subject })
  if (!answer.ok) throw new Unavailable(`what describes ${name} in the object store ${bucket} cannot be removed: ${answer.error.description}`)
}

/** Sorted. Throws `Unavailable`, of a store that is not there `StreamMissing`. */
export async function objectNames(link: Link, bucket: string): Promise<readonly string[]> {
  const answer = await link.api<{ readonly state: { readonly subjects?: Readonly<Record<string, number>> } }>(`STREAM.INFO.${objectStream(bucket)}`, { subjects_filter: `$O.${bucket}.M.>` })
  if (!answer.ok) {
    if (answer.error.err_code === apiCodes.streamNotFound) throw new StreamMissing(`the object store ${bucket} is not there`)
    throw new Unavailable(`the object store ${bucket} cannot be read: ${answer.error.description}`)
  }
  const found = await Promise.all(Object.keys(answer.value.state.subjects ?? {}).map((subject) => aboutAt(link, bucket, subject)))
  return found.flatMap((about) => (about === undefined ? [] : [about.name])).sort()
}

async function aboutAt(link: Link, bucket: string, subject: string): Promise<ObjectAbout | undefined> {
  const found = await messageFromLeader(link, objectStream(bucket), { last_by_subj: subject })
  const about = found === undefined ? undefined : aboutIn(found.data)
  return about?.deleted === true ? undefined : about
}

/** Undefined where it describes no object: a lane whose snapshot it was is folded without. */
function aboutIn(data: Uint8Array): ObjectAbout | undefined {
  let about: Partial<ObjectAbout> | null
  try {
    about = JSON.parse(Buffer.from(data).toString('utf8')) as typeof about
  } catch {
    return undefined
  }
  const { name, nuid, chunks, size } = about ?? {}
  const isDescribed = typeof name === 'string' && typeof nuid === 'string' && Number.isSafeInteger(chunks) && Number.isSafeInteger(size) && size! >= 0 && size! <= Math.min(mostBytes, chunks! * chunkBytes)
  return isDescribed ? (about as ObjectAbout) : undefined
}

/**
 * Less than was described where chunks were removed since, or never written: who reads compares digests. A chunk is never changed, so that of a large object any
 * server may hand them out, as they are; from the leader they come as text in JSON, which takes three times as long. One that does not have all of them yet, or does
 * not answer, is passed over for the leader.
 */
async function readChunks(link: Link, bucket: string, about: ObjectAbout): Promise<Uint8Array> {
  if (about.chunks >= manyChunks) {
    const bytes = await chunksFrom((query) => directMessage(link, objectStream(bucket), query, directTimeoutMs), bucket, about)
    if (bytes.length === about.size) return bytes
  }
  return chunksFrom((query) => messageFromLeader(link, objectStream(bucket), query), bucket, about)
}

async function chunksFrom(source: (query: MessageQuery) => Promise<Pick<LeaderMessage, 'sequence' | 'data'> | undefined>, bucket: string, { nuid, chunks, size }: ObjectAbout): Promise<Uint8Array> {
  const bytes = new Uint8Array(size)
  let at = 0
  let position = 0
  for (let read = 0; read < chunks; ) {
    // Mostly they stand next to each other. Where others wrote in between, one comes for several of the positions, and none is passed over.
    const asked = position === 0 ? 1 : Math.min(readAhead, chunks - read)
    const next_by_subj = chunkSubject(bucket, nuid)
    const pieces = await Promise.all(Array.from({ length: asked }, (_, index) => source({ seq: position + 1 + index, next_by_subj })))
    for (const piece of pieces) {
      if (piece !== undefined && piece.sequence <= position) continue
      if (piece === undefined || at + piece.data.length > size) return bytes.subarray(0, at)
      bytes.set(piece.data, at)
      at += piece.data.length
      position = piece.sequence
      read += 1
    }
  }
  return bytes.subarray(0, at)
}
