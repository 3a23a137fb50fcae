/**
 * The client's transport, with which a socket ends together with the attempt that it was made for. The client's own leaves one
 * open whose server takes connections and says nothing (it is frozen, or is no nats-server), or does not even take them: nothing
 * refers to it any more, and it keeps its process alive, one that could not connect as well as one that was told to stop meanwhile.
 */
import { once } from 'node:events'
import { type Socket, createConnection } from 'node:net'
import { type ConnectionOptions, type NatsConnection, NatsConnectionImpl, setTransportFactory } from 'nats'
import { NodeTransport, nodeResolveHost } from 'nats/lib/node_transport.js'

class EndingTransport extends NodeTransport {
  override async dial({ hostname, port }: { readonly hostname: string; readonly port: number }): Promise<Socket> {
    // Known from here on, so that what ends the attempt ends it too.
    this.socket = createConnection(port, hostname)
    this.socket.setNoDelay(true)
    await once(this.socket, 'connect')
    return this.socket
  }

  override async close(error?: Error): Promise<void> {
    if (!this.connected) this.discard()
    await super.close(error)
  }
}

/** As the client's own `connect`. */
export function connect(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new EndingTransport(), dnsResolveFn: nodeResolveHost })
  return NatsConnectionImpl.connect(options)
}
