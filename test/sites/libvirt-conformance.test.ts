import { describe } from 'vitest'
import { libvirtAdapter } from '../../src/sites/libvirt/adapter.ts'
import { testSiteAdapter } from '../conformance/site-adapter.ts'
import { libvirtMissing, startLibvirtd } from '../support/libvirtd.ts'
import { stallingSocket } from './stalling-socket.ts'

describe.skipIf(libvirtMissing())('libvirt, its test hypervisor in a real daemon', () => {
  testSiteAdapter({
    adapter: libvirtAdapter,
    remote: true,
    badAddresses: [
      '',
      'nonsense',
      '--help',
      'test:///default',
      'qemu+ssh://user:s3cret@host/system',
      'x y://user:s3cret@host/',
      'qemu+ext://host/system?command=/bin/true',
      'qemu+ssh://host/system?netcat=/bin/true',
      'qemu:///system?reeve-stop=gently',
    ],
    refusedNames: ['', '  ', 'a/b', 'two\nlines', 'bell \u0007', '\ud800'],
    async start() {
      const daemon = await startLibvirtd()
      const front = await stallingSocket(daemon.socket)
      return {
        address: daemon.uri(front.path),
        unknownService: '00000000-0000-4000-8000-000000000000',
        unreachableAddress: daemon.uri('/nonexistent/socket'),
        async addService(name) {
          // Names are unique at a libvirt site: whoever has it gives it up.
          if (daemon.virsh('list', '--all', '--name').split('\n').includes(name)) {
            if (daemon.virsh('list', '--name').split('\n').includes(name)) daemon.virsh('destroy', '--domain', name)
            daemon.virsh('undefine', '--domain', name)
          }
          return daemon.define(name)
        },
        // The first connection of a change reads the domain, the second makes the change.
        hang: async () => front.stallAfter(1),
        recover: async () => front.recover(),
        async stop() {
          await front.close()
          await daemon.stop()
        },
      }
    },
  })
})
