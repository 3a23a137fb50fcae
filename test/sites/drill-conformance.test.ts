import { drillAdapter } from '../../src/sites/drill/adapter.ts'
import { testSiteAdapter } from '../conformance/site-adapter.ts'

testSiteAdapter({
  adapter: drillAdapter,
  remote: false,
  badAddresses: ['', 'drill:', 'drill://x', 'drill://?services=0', 'drill://?services=100001', 'drill://?services=ten', 'drill://?other=1'],
  refusedNames: [],
  async start() {
    let given = 0
    return {
      address: 'drill://?services=50',
      unknownService: 's00051',
      addService: async () => `s${String(++given).padStart(5, '0')}`,
      stop: async () => {},
    }
  },
})
