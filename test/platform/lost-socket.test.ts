import { createServer, connect } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { isLostSocket } from '../../src/platform/lost-socket.ts'

test('a write after the end of a socket is a lost socket', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1')
  await once(socket, 'end')
  socket.end()
  const [error] = (await new Promise<[NodeJS.ErrnoException]>((resolve) => {
    socket.once('error', (raised) => resolve([raised]))
    queueMicrotask(() => socket.write('late'))
  })) as [NodeJS.ErrnoException]
  error.stack = `${error.name}: ${error.message}\n    at writeAfterEnd (node:internal/streams/writable:1)\n    at NodeTransport._send (/x/node_modules/nats/lib/node_transport.js:372:25)`
  expect(isLostSocket(error)).toBe(true)
  socket.destroy()
  server.close()
})

test('the same code from our own code, and any other error, still end the process', () => {
  const ours = Object.assign(new Error('write after end'), { code: 'EPIPE' })
  ours.stack = 'Error: write after end\n    at save (/work/src/platform/files.ts:3:1)'
  expect(isLostSocket(ours)).toBe(false)
  expect(isLostSocket(new TypeError('x is not a function'))).toBe(false)
})
