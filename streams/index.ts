/** What other programs may import as `reeve/streams`: the wire, and the ports to it. */
export * from './codec.ts'
export * from './envelope.ts'
export * from './subjects.ts'
export * from './ports/bucket.ts'
export * from './ports/bus.ts'
export * from './ports/clock.ts'
export * from './ports/event-log.ts'
