/**
 * Ports for servers that must know their port before they listen, or keep it while they are down.
 *
 * They lie below the range from which the kernel gives a port to whoever asks for any one: there a connection or a server of another test
 * could get the port between our look at it and the server's start, or while the server is down.
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

const lowest = 10_240
/** Linux' own, where it cannot be read. */
const usualFirstOfKernel = 32_768

const given = new Set<number>()

/** On loopback; no two calls of a process get the same one. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  const firstOfKernel = kernelRange()
  for (let tries = 0; ports.length < count; tries++) {
    if (tries === 1_000) throw new Error(`no ${count} free ports between ${lowest} and ${firstOfKernel}`)
    const port = randomInt(lowest, firstOfKernel)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    ports.push(port)
  }
  return ports
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port!
}

function kernelRange(): number {
  try {
    const first = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10)
    return first > lowest + 1_000 ? first : usualFirstOfKernel
  } catch {
    return usualFirstOfKernel
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  try {
    await once(probe.listen(port, '127.0.0.1'), 'listening')
  } catch {
    return false
  }
  await new Promise((resolve) => probe.close(resolve))
  return true
}
