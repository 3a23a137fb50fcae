import { simulatedAdapter } from '../../src/sites/simulated/adapter.ts'
import type { FencingClass } from '../../src/sites/adapter.ts'
import { type SiteUnderTest, testSiteAdapter } from '../conformance/site-adapter.ts'
import { testSiteFencing } from '../conformance/site-fencing.ts'
import { eventually } from '../support/eventually.ts'
import { startSimulatedSite } from '../support/simulated-site.ts'

testSiteAdapter({
  adapter: simulatedAdapter,
  remote: true,
  badAddresses: [
    '',
    'nonsense',
    'https://127.0.0.1:1',
    'http://127.0.0.1:1/path',
    'http://user:s3cret@127.0.0.1:1',
    'ftp://user:s3cret@127.0.0.1:1',
    'http://127.0.0.1:1?fencing=perhaps',
    'http://127.0.0.1:1?other=1',
  ],
  refusedNames: ['', 'n'.repeat(1001)],
  start: () => start('enforced'),
})

// Fenced less, the same kind promises less.
testSiteFencing({ adapter: simulatedAdapter, fencing: 'recorded', start: () => start('recorded') })
testSiteFencing({ adapter: simulatedAdapter, fencing: 'none', start: () => start('none') })

async function start(fencing: FencingClass): Promise<SiteUnderTest> {
  const site = await startSimulatedSite({ services: 20, fencing })
  const free = await startSimulatedSite({ services: 0 })
  await free.stop()
  let added = 0
  return {
    address: site.adapterAddress,
    unknownService: 'd99999',
    unreachableAddress: free.address,
    async addService(name) {
      const { status, body } = await site.request('POST', '/v1/services', { id: `t${++added} ü/?`, name })
      if (status !== 200) throw new Error(JSON.stringify(body))
      return body.id
    },
    hang: async () => void (await site.addSwitch({ fault: { kind: 'hang', when: 'before' } })),
    recover: () => site.removeSwitches(),
    slow: async () => void (await site.addSwitch({ count: 1, fault: { kind: 'hang', when: 'before' } })),
    arrived: async (scope, count) => {
      await eventually(async () => (await site.journal()).filter((call) => call.token.scope === scope).length >= count, {
        what: `${count} calls of ${scope} arrived`,
      })
    },
    tokensOf: async (service) => (await site.journal()).filter((call) => call.service === service && call.outcome?.kind === 'done').map(({ token }) => token),
    stop: () => site.stop(),
  }
}
