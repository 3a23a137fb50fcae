/** A small HTTP client for JSON that says, when a request fails, whether the server can have seen it. */
import { Agent, request } from 'node:http'

export class HttpFailure extends Error {
  override readonly name = 'HttpFailure'
  readonly retryable = true
  /** False: no connection came about, so the server has not seen the request. */
  readonly sent: boolean
  readonly aborted: boolean
  constructor(message: string, fields: { readonly sent: boolean; readonly aborted: boolean }, cause?: unknown) {
    super(message, { cause })
    this.sent = fields.sent
    this.aborted = fields.aborted
  }
}

export interface HttpClient {
  /** `path` begins with "/". Throws `HttpFailure`; a status of any value is an answer. */
  send(method: string, path: string, body: string | undefined, signal: AbortSignal): Promise<{ readonly status: number; readonly body: string }>
  /** Ends idle and busy connections. */
  close(): void
}

/** `base`: `http://host:port`, without a path. Connections are kept and reused. */
export function httpClient(base: string): HttpClient {
  const url = new URL(base)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  // Idle connections end well before the server's own limit (60 s), so that a request never meets one being closed.
  const agent = new Agent({ keepAlive: true, timeout: 30_000, maxFreeSockets: 16 })
  return {
    send(method, path, body, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(new HttpFailure(`request to ${base} not begun: out of time`, { sent: false, aborted: true }))
        let connected = false
        const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
        const outgoing = request({ host, port: url.port || 80, method, path, headers, agent, signal }, (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', fail)
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }))
        })
        function fail(error: NodeJS.ErrnoException): void {
          const why = signal.aborted ? 'aborted' : (error.code ?? error.message)
          reject(new HttpFailure(`no answer from ${base} (${why})`, { sent: connected, aborted: signal.aborted }, error))
        }
        outgoing.on('error', fail)
        outgoing.on('socket', (socket) => {
          // The idle limit of the pool is no limit for a request; that one is the caller's signal.
          socket.setTimeout(0)
          if (socket.connecting) socket.once('connect', () => (connected = true))
          else connected = true
        })
        outgoing.end(body)
      })
    },
    close() {
      agent.destroy()
    },
  }
}
