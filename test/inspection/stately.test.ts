/** What is sent to Stately Inspector, taken by the code of its own package: receivers of both kinds, and XState's reading of definitions. */
import { runInNewContext } from 'node:vm'
import { createBrowserReceiver, createInspector, createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect'
import { createMachine } from 'xstate'
import { afterEach, expect, test } from 'vitest'
import type { TransitionMessage } from '../../streams/agent-messages.ts'
import { laneHolderMachine } from '../../machines/lane-holder/machine.ts'
import { bridgePage } from '../../src/inspection/bridge-page.ts'
import { StatelyActors, type StatelyEvent, statelyVersion } from '../../src/inspection/stately.ts'
import { graphOf } from '../../src/machine-export/graph.ts'
import { type BroadcastServer, startBroadcastServer } from '../../src/platform/broadcast-server.ts'
import { eventually } from '../support/eventually.ts'

const atMs = 1_800_000_000_000
const transition = (number: number, from: string, event: string, to: string): TransitionMessage => ({
  agent: 'a1', instance: 'i1', machine: 'lane-holder-here-1', number, from, event, to, atMs: atMs + number,
})

const servers: BroadcastServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function serve(welcome: readonly StatelyEvent[]): Promise<BroadcastServer> {
  const server = await startBroadcastServer({ port: 0, page: bridgePage, welcome: () => welcome.map((event) => JSON.stringify(event)) })
  servers.push(server)
  return server
}

/** By the package itself, what it sends for the same. */
function byThePackage(): readonly StatelyInspectionEvent[] {
  const sent: StatelyInspectionEvent[] = []
  const inspector = createInspector({ send: (event) => void sent.push(event) })
  inspector.actor('a1/leader', { status: 'active', value: 'idle', context: {} })
  inspector.event('a1/leader', 'Go')
  inspector.snapshot('a1/leader', { status: 'active', value: 'busy', context: {} }, { event: { type: 'Go' } })
  return sent
}

test('events have the version and the parts that those of the package have', () => {
  const theirs = byThePackage()
  const ours = new StatelyActors().heard(transition(1, 'idle', 'Mapped', 'folding'))
  expect(ours.map(({ type }) => type)).toEqual(theirs.map(({ type }) => type))
  expect(new Set([...ours, ...theirs].map(({ _version }) => _version))).toEqual(new Set([statelyVersion]))
  ours.forEach((event, index) => {
    // Where theirs holds nothing (no parent, no source), ours has no such part.
    const parts = Object.entries(theirs[index]!).filter(([, value]) => value !== undefined && value !== null).map(([part]) => part)
    expect(Object.keys(event)).toEqual(expect.arrayContaining(parts))
    for (const part of ['sessionId', 'rootId', 'createdAt', 'id'] as const) expect(event[part]).toBeTypeOf('string')
  })
})

test("the package's WebSocket receiver gets every machine when it connects, then each transition, from the server that `machine watch` runs", async () => {
  const actors = new StatelyActors()
  actors.known({ agent: 'a1', machine: 'leader', state: 'idle', atMs })
  actors.heard(transition(1, 'idle', 'Mapped', 'folding'))
  const server = await serve(actors.present())
  const received: StatelyInspectionEvent[] = []
  const subscription = createWebSocketReceiver({ server: `ws://127.0.0.1:${server.port}` }).subscribe((event) => void received.push(event))
  await eventually(() => received.length === 2, { what: 'the machines' })
  expect(received).toEqual([
    expect.objectContaining({ type: '@xstate.actor', sessionId: 'a1/leader', name: 'a1 leader' }),
    expect.objectContaining({ type: '@xstate.actor', sessionId: 'a1/lane-holder-here-1', snapshot: { status: 'active', value: 'folding', context: {} } }),
  ])
  for (const event of actors.heard(transition(2, 'folding', 'FoldedFree', 'taking'))) server.send(JSON.stringify(event))
  await eventually(() => received.length === 4, { what: 'the transition' })
  expect(received.slice(2)).toEqual([
    expect.objectContaining({ type: '@xstate.event', sessionId: 'a1/lane-holder-here-1', event: { type: 'FoldedFree' } }),
    expect.objectContaining({ type: '@xstate.snapshot', sessionId: 'a1/lane-holder-here-1', event: { type: 'FoldedFree' }, snapshot: { status: 'active', value: 'taking', context: {} } }),
  ])
  subscription.unsubscribe()
})

test("the package's receiver in the inspector's window takes each of them", () => {
  let hear = (_event: { readonly data: unknown }) => {}
  const posted: unknown[] = []
  const own = {}
  const window = { self: own, top: null, parent: { postMessage: (message: unknown) => void posted.push(message) }, addEventListener: (_type: string, listener: typeof hear) => void (hear = listener) }
  const taken: StatelyInspectionEvent[] = []
  createBrowserReceiver({ window: window as never }).subscribe((event) => void taken.push(event))
  // The bridge page waits for this before it hands anything on.
  expect(posted).toEqual([{ type: '@statelyai.connected' }])
  expect(bridgePage).toContain("'@statelyai.connected'")
  const events = new StatelyActors().heard(transition(1, 'idle', 'Mapped', 'folding'))
  for (const data of events) hear({ data })
  expect(taken).toEqual(events)
})

test("the page that is served hands everything to the package's receiver, in order, once that has said that it is there", async () => {
  const actors = new StatelyActors()
  const welcome = actors.heard(transition(1, 'idle', 'Mapped', 'folding'))
  const server = await serve(welcome)
  const script = /<script>([^]*)<\/script>/.exec(await (await fetch(`http://127.0.0.1:${server.port}/`)).text())![1]!
  const origin = 'https://stately.ai'
  // Two windows: the page, and the inspector in its frame.
  const onPage: ((event: { readonly origin: string; readonly data: unknown }) => void)[] = []
  const inFrame: ((event: { readonly data: unknown }) => void)[] = []
  const given: unknown[] = []
  const frame = {
    contentWindow: {
      postMessage(data: unknown, target: string) {
        expect(target).toBe(origin)
        given.push(data)
        for (const listener of inFrame) listener({ data })
      },
    },
  }
  const sockets: WebSocket[] = []
  class PageSocket extends WebSocket {
    constructor(url: string) {
      super(url)
      sockets.push(this)
    }
  }
  runInNewContext(script, {
    document: { querySelector: () => frame },
    addEventListener: (_type: string, listener: (typeof onPage)[number]) => void onPage.push(listener),
    location: { host: `127.0.0.1:${server.port}` },
    WebSocket: PageSocket,
    JSON,
  })
  await eventually(() => sockets[0]?.readyState === WebSocket.OPEN, { what: 'the socket of the page' })
  for (const listener of onPage) listener({ origin: 'https://elsewhere.example', data: { type: '@statelyai.connected' } })
  server.send(JSON.stringify(actors.heard(transition(2, 'folding', 'FoldedFree', 'taking'))[0]))
  expect(given).toEqual([])

  const taken: StatelyInspectionEvent[] = []
  // As between windows: it arrives later.
  const parent = { postMessage: (data: unknown) => queueMicrotask(() => onPage.forEach((listener) => listener({ origin, data }))) }
  const window = { self: {}, top: null, parent, addEventListener: (_type: string, listener: (typeof inFrame)[number]) => void inFrame.push(listener) }
  createBrowserReceiver({ window: window as never }).subscribe((event) => void taken.push(event))
  await eventually(() => taken.length === 4, { what: 'everything that was sent' })
  expect(taken.slice(0, 1)).toEqual(welcome.slice(0, 1))
  expect(taken.map(({ type, id }) => [type, id])).toEqual([...welcome.map(({ type, id }) => [type, id]), ['@xstate.event', 'a1/lane-holder-here-1/2/event']])
  sockets[0]!.close()
})

test('an actor carries the definition that runs', () => {
  const [actor] = new StatelyActors().heard(transition(1, 'idle', 'Mapped', 'folding'))
  if (actor?.type !== '@xstate.actor' || actor.definition === undefined) throw new Error('no actor with a definition came first')
  expect(graphOf(createMachine(JSON.parse(actor.definition)))).toEqual(graphOf(laneHolderMachine))
})

test('a machine that was heard is not reported again in an older state', () => {
  const actors = new StatelyActors()
  actors.heard(transition(3, 'folding', 'FoldedFree', 'taking'))
  expect(actors.known({ agent: 'a1', machine: 'lane-holder-here-1', state: 'folding', atMs })).toEqual([])
  expect(actors.present()).toMatchObject([{ snapshot: { value: 'taking' } }])
})

test('the server speaks to this machine alone: a page of another site, or by another name, gets nothing', async () => {
  const server = await serve([])
  const status = async (headers: Readonly<Record<string, string>>) => {
    const { request } = await import('node:http')
    return new Promise<number>((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: server.port, headers }, (response) => {
        response.resume()
        resolve(response.statusCode!)
      })
      asked.once('upgrade', (_response, socket) => {
        socket.destroy()
        resolve(101)
      })
      asked.once('error', reject)
      asked.end()
    })
  }
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
  const own = `127.0.0.1:${server.port}`
  expect(await status({ host: own })).toBe(200)
  expect(await status({ host: `elsewhere.example:${server.port}` })).toBe(403)
  expect(await status({ ...upgrade, host: own })).toBe(101)
  expect(await status({ ...upgrade, host: own, origin: `http://${own}` })).toBe(101)
  expect(await status({ ...upgrade, host: own, origin: 'https://elsewhere.example' })).toBe(401)
  expect(await status({ ...upgrade, host: `elsewhere.example:${server.port}`, origin: `http://elsewhere.example:${server.port}` })).toBe(401)
  const taken = startBroadcastServer({ port: server.port, page: '', welcome: () => [] })
  await expect(taken).rejects.toMatchObject({ name: 'PortTaken', message: expect.stringContaining(`port ${server.port} on 127.0.0.1 is taken`) })
})
