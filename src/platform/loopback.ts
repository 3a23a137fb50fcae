/** Small questions to this machine's own ports. */
import { createServer } from 'node:net'

/** Whether a program of ours could listen on this port of the loopback interface now. */
export function portIsFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/** The JSON that an HTTP address answers with status 200; undefined for everything else. */
export async function readJsonAt(address: string, timeoutMs: number): Promise<unknown> {
  const page = await readPageAt(address, timeoutMs)
  return page?.ok === true ? page.json : undefined
}

/** The JSON that an HTTP address answers, whatever the status; undefined where it answers none. */
export async function readPageAt(address: string, timeoutMs: number): Promise<{ readonly ok: boolean; readonly json: unknown } | undefined> {
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(timeoutMs) })
    return { ok: response.ok, json: await response.json() }
  } catch {
    return undefined
  }
}
