import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Operation } from '../../machines/service/operation.ts'
import type { Service } from '../../machines/service/model.ts'
import { capabilitiesAt } from '../../src/sites/adapter.ts'
import type { SiteConnection, SiteResult } from '../../src/sites/adapter.ts'
import { libvirtAdapter } from '../../src/sites/libvirt/adapter.ts'
import { emulator, libvirtMissing, startLibvirtd } from '../support/libvirtd.ts'
import type { Libvirtd } from '../support/libvirtd.ts'

function connect(address: string): SiteConnection {
  return libvirtAdapter.connect({ site: 'site-1', kind: 'libvirt', address, region: 'here' })
}
function carryOut(connection: SiteConnection, service: string, operation: Operation, withinMs = 60_000): Promise<SiteResult> {
  return connection.carryOut({
    service,
    operation,
    token: { scope: 'group-1', incarnation: 2, revision: 7 },
    idempotencyKey: 'key',
    deadlineMs: Date.now() + withinMs,
    signal: AbortSignal.timeout(withinMs),
  })
}
async function find(connection: SiteConnection, id: string): Promise<Service | undefined> {
  return (await connection.read(AbortSignal.timeout(20_000))).services.find((service) => service.id === id)
}

describe('addresses', () => {
  test('of a driver that was not tried only power is counted on, and nothing else is sent to it', async () => {
    const address = 'xen:///system'
    expect(libvirtAdapter.checkAddress(address)).toBeUndefined()
    expect([...capabilitiesAt(libvirtAdapter, address).operations].sort()).toEqual(['start', 'stop'])
    const id = '00000000-0000-4000-8000-000000000000'
    expect(await carryOut(connect(address), id, { name: 'rename', to: 'x' })).toMatchObject({ kind: 'failed', code: 'unsupported' })
  })

  test.each(['qemu:///system', 'qemu+ssh://admin@host.example/system', 'qemu+tls://host/system?pkipath=/a', 'test+unix:///default?socket=/a/b', 'qemu:///system?reeve-stop=force'])(
    '%s is taken',
    (address) => expect(libvirtAdapter.checkAddress(address)).toBeUndefined(),
  )
})

describe.skipIf(libvirtMissing())('libvirt', () => {
  let daemon: Libvirtd
  let connection: SiteConnection
  beforeAll(async () => {
    daemon = await startLibvirtd()
    connection = connect(daemon.uri())
  })
  afterAll(() => daemon?.stop())

  test('a running domain keeps its name: refused by the site, with its reason', async () => {
    const id = await daemon.define('Läuft')
    await carryOut(connection, id, { name: 'start' })
    const result = await carryOut(connection, id, { name: 'rename', to: 'other' })
    expect(result).toMatchObject({ kind: 'failed', code: 'refused-by-site', reason: expect.stringMatching(/^site site-1: [^\n]+$/) })
    expect((await find(connection, id))!.name).toBe('Läuft')
  })

  test("a change keeps what others wrote, in other namespaces and in Reeve's, and notes its token", async () => {
    const id = await daemon.define(
      'kept',
      `<o:other xmlns:o="urn:other"><o:service>x</o:service></o:other>
       <mine:service xmlns:mine="urn:reeve:service:1"><mine:kind>desktop</mine:kind><mine:delivery>streamed</mine:delivery><mine:folder>Büro/„2“ &amp; 3</mine:folder>
       <mine:group>007</mine:group><mine:assignment>pooled</mine:assignment><mine:user>b</mine:user><mine:user> a </mine:user><mine:userGroup>staff</mine:userGroup></mine:service>`,
    )
    const before = {
      id, name: 'kept', kind: 'desktop', delivery: 'streamed', folder: 'Büro/„2“ & 3', group: '007', power: 'off', maintenance: false,
      assignment: 'pooled', users: [' a ', 'b'], userGroups: ['staff'], sessions: [],
    }
    expect(await find(connection, id)).toEqual(before)
    expect(await carryOut(connection, id, { name: 'maintenance-on' })).toEqual({ kind: 'done' })
    expect(await carryOut(connection, id, { name: 'assign', user: 'Ünal "<&>\' ' })).toEqual({ kind: 'done' })
    expect(await find(connection, id)).toEqual({ ...before, maintenance: true, users: [' a ', 'b', 'Ünal "<&>\' '] })
    const xml = daemon.virsh('dumpxml', '--inactive', id)
    expect(xml).toContain('<o:service>x</o:service>')
    expect(xml).toContain('scope="group-1" incarnation="2" revision="7"')
    expect(xml.match(/urn:reeve:service:1/g)).toHaveLength(1)
  })

  test('of changes asked for at the same time none is lost', async () => {
    const id = await daemon.define('busy')
    const users = Array.from({ length: 8 }, (_, index) => `user-${index}`)
    const results = await Promise.all(users.map((user) => carryOut(connection, id, { name: 'assign', user })))
    expect(results).toEqual(users.map(() => ({ kind: 'done' })))
    expect((await find(connection, id))!.users).toEqual(users)
  })

  test('metadata outlives stop and start', async () => {
    const id = await daemon.define('durable')
    await carryOut(connection, id, { name: 'start' })
    await carryOut(connection, id, { name: 'assign', user: 'ada' })
    await carryOut(connection, id, { name: 'stop' })
    await carryOut(connection, id, { name: 'start' })
    expect(await find(connection, id)).toMatchObject({ power: 'on', users: ['ada'] })
  })

  test('a transient domain: its metadata cannot be kept, and a stopped one is gone', async () => {
    const uuid = '11111111-2222-4333-8444-555555555555'
    const name = 'transient'
    await daemon.defineXml('test', `<domain type="test"><name>${name}</name><uuid>${uuid}</uuid><memory>1024</memory><os><type>hvm</type></os></domain>`)
    daemon.virsh('start', name)
    daemon.virsh('undefine', name)
    expect(await carryOut(connection, uuid, { name: 'assign', user: 'ada' })).toMatchObject({ kind: 'failed', code: 'refused-by-site' })
    expect(await carryOut(connection, uuid, { name: 'stop' })).toEqual({ kind: 'done' })
    expect(await find(connection, uuid)).toBeUndefined()
    expect(await carryOut(connection, uuid, { name: 'stop' })).toMatchObject({ kind: 'failed', code: 'no-such-service' })
  })

  test('a paused domain is suspended, and started by resuming it', async () => {
    const id = await daemon.define('paused')
    await carryOut(connection, id, { name: 'start' })
    daemon.virsh('suspend', id)
    expect((await find(connection, id))!.power).toBe('suspended')
    expect(await carryOut(connection, id, { name: 'start' })).toEqual({ kind: 'done' })
    expect((await find(connection, id))!.power).toBe('on')
  })

  test('more domains than one script reads', async () => {
    const separate = await startLibvirtd()
    try {
      const xmls = Array.from({ length: 320 }, (_, n) => `<domain type="test"><name>many ${n}</name><memory>1024</memory><os><type>hvm</type></os></domain>`)
      await separate.defineXml('test', ...xmls)
      const { services } = await connect(separate.uri()).read(AbortSignal.timeout(20_000))
      expect(services).toHaveLength(321)
      const ids = services.map((service) => service.id)
      expect(ids).toEqual([...new Set(ids)].sort())
    } finally {
      await separate.stop()
    }
  })

  test('without virsh on the machine: unreachable, with what to install', async () => {
    const path = process.env['PATH']
    process.env['PATH'] = '/nonexistent'
    try {
      await expect(connection.read(AbortSignal.timeout(5_000))).rejects.toThrow(/^site site-1 at [^\n]*virsh is not installed[^\n]*install libvirt's clients[^\n]*$/)
    } finally {
      process.env['PATH'] = path
    }
  })

  describe.skipIf(libvirtMissing(emulator))('an emulated guest of QEMU', () => {
    const uuid = '99999999-2222-4333-8444-555555555555'
    beforeAll(() =>
      daemon.defineXml(
        'qemu',
        `<domain type="qemu"><name>guest</name><uuid>${uuid}</uuid><memory unit="MiB">32</memory><vcpu>1</vcpu>
         <os><type arch="x86_64" machine="pc">hvm</type></os><devices><emulator>/usr/bin/${emulator}</emulator></devices></domain>`,
      ),
    )

    test('renamed, assigned, started; asked to stop without an operating system: unknown; stopped by force', async () => {
      const guest = connect(daemon.qemuUri)
      expect(await carryOut(guest, uuid, { name: 'rename', to: 'Gäst "x" 😀 עברית' })).toEqual({ kind: 'done' })
      expect(await carryOut(guest, uuid, { name: 'assign', user: 'ada' })).toEqual({ kind: 'done' })
      expect(await carryOut(guest, uuid, { name: 'start' })).toEqual({ kind: 'done' })
      expect(await carryOut(guest, uuid, { name: 'maintenance-on' })).toEqual({ kind: 'done' })
      expect(await find(guest, uuid)).toMatchObject({ name: 'Gäst "x" 😀 עברית', power: 'on', users: ['ada'], maintenance: true })
      expect(await carryOut(guest, uuid, { name: 'stop' }, 5_000)).toMatchObject({ kind: 'unknown' })
      expect((await find(guest, uuid))!.power).toBe('on')
      expect(await carryOut(connect(`${daemon.qemuUri}&reeve-stop=force`), uuid, { name: 'stop' })).toEqual({ kind: 'done' })
      expect(await find(guest, uuid)).toMatchObject({ power: 'off', users: ['ada'], maintenance: true })
    })
  })
})
