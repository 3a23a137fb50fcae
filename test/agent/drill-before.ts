import type { SiteAdapter, SiteCall } from '../../src/sites/adapter.ts'
import { drillAdapter } from '../../src/sites/drill/adapter.ts'

/** Drill sites at which each call goes through `before` first: it is noted there, takes a while, or never comes to its end. */
export function drillBefore(before: (call: SiteCall) => Promise<void>): SiteAdapter {
  return {
    ...drillAdapter,
    connect(record) {
      const connection = drillAdapter.connect(record)
      return {
        read: (signal) => connection.read(signal),
        close: () => connection.close(),
        carryOut: async (call) => {
          await before(call)
          return connection.carryOut(call)
        },
      }
    },
  }
}
