/**
 * The NATS client drops a connection by removing every listener from its socket and destroying it; a write that was under way
 * then ends as an `error` event that nobody hears, which would end the whole process. The client itself has noticed by then and
 * reconnects, so exactly this error is passed over; any other uncaught error ends the process as before.
 */

const harmlessCodes: ReadonlySet<string> = new Set(['ERR_STREAM_WRITE_AFTER_END', 'ERR_STREAM_DESTROYED', 'EPIPE', 'ECONNRESET'])

export function surviveLostSockets(): void {
  process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
    if (!isLostSocket(error)) throw error
  })
}

/** A write or read error of a socket, raised from the client's transport or from within the runtime's streams alone. */
export function isLostSocket(error: NodeJS.ErrnoException): boolean {
  if (error.code === undefined || !harmlessCodes.has(error.code)) return false
  const frames = (error.stack ?? '').split('\n').slice(1)
  return frames.every((frame) => frame.includes('node:') || frame.includes('node_transport') || frame.includes('@nats-io') || frame.includes('node_modules/nats'))
}
