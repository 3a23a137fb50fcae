/** A Unix socket in front of another one that, when told, lets new connections in and answers nothing on them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface StallingSocket {
  readonly path: string
  /** The next `passing` connections go through, all later ones stall. */
  stallAfter(passing: number): void
  /** Ends the stalled connections; later ones go through again. */
  recover(): void
  close(): Promise<void>
}

export async function stallingSocket(target: string): Promise<StallingSocket> {
  const folder = await mkdtemp(join(tmpdir(), 'reeve-stall-'))
  const path = join(folder, 'socket')
  const sockets = new Set<Socket>()
  let passing = Infinity
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    if (passing-- <= 0) return void socket.resume()
    const behind = connect(target)
    behind.on('error', () => socket.destroy())
    behind.on('close', () => socket.destroy())
    socket.on('close', () => behind.destroy())
    socket.pipe(behind).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    path,
    stallAfter: (count) => (passing = count),
    recover() {
      passing = Infinity
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}
