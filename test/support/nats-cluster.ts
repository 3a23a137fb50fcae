/**
 * Three real nats-servers in a cluster on loopback, every write synced; each can be killed and started again on its data, and, where the
 * cluster has gates, cut off from the others and from its clients.
 */
import { freePorts } from './free-ports.ts'
import { TestNatsServer } from './nats-server.ts'
import { TcpGate } from './tcp-gate.ts'

export interface NatsClusterOptions {
  /** Clients that go by `clientPorts`, and the servers among themselves, meet through gates. */
  readonly gates?: boolean
  /** Folder of a server's store, by its name. */
  readonly stores?: Readonly<Record<string, string>>
}

const names = ['n1', 'n2', 'n3'] as const

/** Nobody listens there: what a server that is behind gates tells others of its own address. */
const nowhere = '127.0.0.1:9'

export class TestNatsCluster implements AsyncDisposable {
  /** Named `n1`, `n2`, `n3`. */
  readonly servers: ReadonlyMap<string, TestNatsServer>
  readonly #gates: Gates | undefined

  private constructor(servers: ReadonlyMap<string, TestNatsServer>, gates: Gates | undefined) {
    this.servers = servers
    this.#gates = gates
  }

  static async start(options: NatsClusterOptions = {}): Promise<TestNatsCluster> {
    // Routes name each other, so these ports must be known before any of the servers listens.
    const ports = await freePorts(3)
    const servers = new Map<string, TestNatsServer>()
    const gates = options.gates === true ? await Gates.open(ports, (name) => servers.get(name)!.port) : undefined
    const starting = names.map(async (name, i) => {
      const routes = names.flatMap((other, j) => (other === name ? [] : [`"nats://127.0.0.1:${gates?.route(name, other).port ?? ports[j]}"`]))
      // Behind gates nobody is to learn of an address that leads past them.
      const hidden = gates === undefined ? '' : `no_advertise: true, advertise: "${nowhere}",`
      const configuration = `cluster { name: test, listen: "127.0.0.1:${ports[i]}", ${hidden} routes: [${routes.join(', ')}] }`
      const store = options.stores?.[name]
      servers.set(name, await TestNatsServer.start({ name, configuration, ...(store === undefined ? {} : { store }) }))
    })
    const started = await Promise.allSettled(starting)
    const cluster = new TestNatsCluster(new Map(names.flatMap((name) => (servers.has(name) ? [[name, servers.get(name)!]] : []))), gates)
    const failure = started.find((result) => result.status === 'rejected')
    if (failure === undefined) return cluster
    await cluster[Symbol.asyncDispose]()
    throw failure.reason
  }

  get urls(): readonly string[] {
    return [...this.servers.values()].map((server) => server.url)
  }

  /** For clients, in the order of the servers; through the gates where there are any. */
  get clientPorts(): readonly (() => number)[] {
    return [...this.servers].map(([name, server]) => () => this.#gates?.client(name).port ?? server.port)
  }

  server(name: string): TestNatsServer {
    const server = this.servers.get(name)
    if (server === undefined) throw new Error(`this cluster has no server ${name}`)
    return server
  }

  /** From the others and from clients. Without gates it cannot be done. */
  cut(name: string): void {
    for (const gate of this.#gates!.around(name)) gate.shut()
  }

  mend(name: string): void {
    for (const gate of this.#gates!.around(name)) gate.reopen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.servers.values()].map((server) => server[Symbol.asyncDispose]()))
    await this.#gates?.[Symbol.asyncDispose]()
  }
}

/** One for each way between two servers, by who dials whom, and one for the clients of each. */
class Gates implements AsyncDisposable {
  readonly #gates: ReadonlyMap<string, TcpGate>

  private constructor(gates: ReadonlyMap<string, TcpGate>) {
    this.#gates = gates
  }

  static async open(ports: readonly number[], clientPortOf: (name: string) => number): Promise<Gates> {
    const gates = new Map<string, TcpGate>()
    for (const [i, to] of names.entries()) {
      gates.set(`clients ${to}`, await TcpGate.open(() => clientPortOf(to)))
      for (const from of names) if (from !== to) gates.set(`${from} ${to}`, await TcpGate.open(() => ports[i]!))
    }
    return new Gates(gates)
  }

  route(from: string, to: string): TcpGate {
    return this.#gates.get(`${from} ${to}`)!
  }

  client(name: string): TcpGate {
    return this.#gates.get(`clients ${name}`)!
  }

  around(name: string): readonly TcpGate[] {
    return [...this.#gates].filter(([way]) => way.split(' ').includes(name)).map(([, gate]) => gate)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#gates.values()].map((gate) => gate[Symbol.asyncDispose]()))
  }
}
