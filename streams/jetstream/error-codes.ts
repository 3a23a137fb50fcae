/**
 * Error codes of the JetStream API (`err_code`) that Reeve acts on. Branch on these, never on texts. From nats-server's `server/errors.json`.
 */
import { JetStreamApiError } from '@nats-io/jetstream'

export const apiCodes = {
  messageNotFound: 10037,
  streamNotFound: 10059,
  consumerNotFound: 10014,
  /** Another configuration stands under that name. */
  streamNameInUse: 10058,
  /** `Nats-Expected-Stream` names another stream (P12). */
  notExpectedStream: 10060,
  wrongLastSequence: 10071,
  /** On R3: a write on that subject is in flight (I5). */
  wrongLastSequenceUnknown: 10164,
  jetStreamNotEnabled: 10076,
  jetStreamNotEnabledForAccount: 10039,
  insufficientResources: 10023,
  clusterNotAvailable: 10008,
  clusterNotLeader: 10009,
  noPeers: 10005,
  streamOffline: 10118,
  storageExceeded: 10047,
  storeFailed: 10077,
  memoryExceeded: 10028,
  tooManyMessages: 10167,
} as const

/** The store has no room. `insufficientResources`: what the server may use in all (`max_file_store`) is used up. */
export const noRoomCodes: ReadonlySet<number> = new Set([apiCodes.storageExceeded, apiCodes.memoryExceeded, apiCodes.insufficientResources, apiCodes.storeFailed])

/** Of an error that the client's own stores throw. */
export function hasNoRoom(error: unknown): boolean {
  return error instanceof JetStreamApiError && noRoomCodes.has(error.code)
}

/** What an error in the answer to an append says of the attempt. A code that is not listed says nothing for certain: indeterminate. */
export const appendOutcomeOfCode: ReadonlyMap<number, 'conflict' | 'busy' | 'unavailable' | 'wrong-incarnation'> = new Map([
  [apiCodes.wrongLastSequence, 'conflict'],
  [apiCodes.wrongLastSequenceUnknown, 'busy'],
  [apiCodes.notExpectedStream, 'wrong-incarnation'],
  [apiCodes.jetStreamNotEnabled, 'unavailable'],
  [apiCodes.jetStreamNotEnabledForAccount, 'unavailable'],
  [apiCodes.insufficientResources, 'unavailable'],
  [apiCodes.clusterNotAvailable, 'unavailable'],
  [apiCodes.clusterNotLeader, 'unavailable'],
  [apiCodes.noPeers, 'unavailable'],
  [apiCodes.streamOffline, 'unavailable'],
  [apiCodes.storageExceeded, 'unavailable'],
  [apiCodes.memoryExceeded, 'unavailable'],
])
