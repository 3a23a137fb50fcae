/**
 * Addresses of kind `libvirt`: any connection URI of libvirt, with one option of ours, `reeve-stop=force`, which is taken out before
 * libvirt sees the URI.
 */
import type { OperationName } from '../../../machines/service/operation.ts'
import { withoutLogin } from '../../../streams/login-in-text.ts'

export interface LibvirtAddress {
  readonly uri: string
  /** `stop` pulls the plug instead of asking the guest to shut down. */
  readonly stopByForce: boolean
  readonly driver: string
}

const power: readonly OperationName[] = ['start', 'stop']
const all: ReadonlySet<OperationName> = new Set([...power, 'rename', 'maintenance-on', 'maintenance-off', 'assign', 'deassign'])
const powerOnly: ReadonlySet<OperationName> = new Set(power)

export const libvirtOperations = all

/** Drivers that keep metadata and rename domains, as tried; of every other driver only power is counted on. */
const driversWithAll = new Set(['qemu', 'test'])

export function operationsOf(address: string): ReadonlySet<OperationName> {
  const parsed = parseAddress(address)
  return 'problem' in parsed || !driversWithAll.has(parsed.driver) ? powerOnly : all
}

export function parseAddress(address: string): LibvirtAddress | { readonly problem: string } {
  const match = /^([a-z]+)(?:\+([a-z0-9]+))?:\/\/([^/?#\s]*)(\/[^?#\s]*)?(?:\?([^#\s]*))?$/.exec(address)
  const hint = 'give a connection URI as virsh takes it, such as qemu:///system'
  if (!match) return { problem: `address ${JSON.stringify(withoutLogin(address))} is none of a libvirt site: ${hint}` }
  const [, driver, transport, authority, path = '', query] = match
  // I10, and `virsh` asks for passwords by itself where it has them from libvirt's own auth.conf.
  if (/:.*@/.test(authority!)) return { problem: `the address of a libvirt site holds no password: keep it in libvirt's auth.conf` }
  const options = (query ?? '').split('&').filter((option) => option !== '')
  const keyOf = (option: string) => option.split('=', 1)[0]!.toLowerCase()
  // Either would let whoever adds a site run a program on the agent's machine.
  if (transport === 'ext' || options.some((option) => ['command', 'netcat', 'proxy'].includes(keyOf(option)))) {
    return { problem: `address ${withoutLogin(address)} names a program to run, which a site's address may not: use another transport` }
  }
  if (driver === 'test' && transport === undefined && authority === '') {
    return { problem: `address ${withoutLogin(address)} is a hypervisor inside each virsh process, which keeps nothing: use test+unix:///default` }
  }
  const stops = options.filter((option) => keyOf(option) === 'reeve-stop')
  if (stops.some((option) => option !== 'reeve-stop=force')) return { problem: `address ${withoutLogin(address)}: reeve-stop can only be force` }
  const kept = options.filter((option) => keyOf(option) !== 'reeve-stop')
  const uri = `${driver}${transport === undefined ? '' : `+${transport}`}://${authority}${path}${kept.length > 0 ? `?${kept.join('&')}` : ''}`
  return { uri, stopByForce: stops.length > 0, driver: driver! }
}
