/**
 * Adapter of kind `libvirt`: services are domains, their id is the domain's UUID. What it can and what its fencing class leaves open:
 * `docs/sites/libvirt.md`.
 */
import type { SiteConfiguration } from '../../../machines/service/model.ts'
import type { Operation } from '../../../machines/service/operation.ts'
import { SiteUnreachable } from '../adapter.ts'
import type { SiteAdapter, SiteCall, SiteConnection, SiteRecord, SiteResult } from '../adapter.ts'
import { libvirtOperations, operationsOf, parseAddress } from './address.ts'
import type { LibvirtAddress } from './address.ts'
import type { Domain } from './domain.ts'
import { isXmlText, metadataKey, metadataUri, writeMetadata } from './metadata.ts'
import type { KeptProperties } from './metadata.ts'
import { isUuid, Virsh, VirshUnreachable } from './virsh.ts'

export const libvirtAdapter: SiteAdapter = {
  kind: 'libvirt',
  // A token is noted with changes of metadata only, not with power and names: as a whole that is no record.
  fencing: 'none',
  skill: 'required',
  operations: libvirtOperations,
  repeatable: libvirtOperations,
  capabilitiesAt: (address) => ({ fencing: 'none', operations: operationsOf(address) }),
  checkAddress(address) {
    const parsed = parseAddress(address)
    return 'problem' in parsed ? parsed.problem : undefined
  },
  connect(record) {
    const parsed = parseAddress(record.address)
    if ('problem' in parsed) throw new TypeError(parsed.problem)
    return new LibvirtConnection(record, parsed)
  },
}

class LibvirtConnection implements SiteConnection {
  readonly #record: SiteRecord
  readonly #address: LibvirtAddress
  readonly #virsh: Virsh
  /** Metadata is read and then written: of one domain, one change after another. */
  readonly #lastChange = new Map<string, Promise<unknown>>()

  constructor(record: SiteRecord, address: LibvirtAddress) {
    this.#record = record
    this.#address = address
    this.#virsh = new Virsh(address.uri)
  }

  async read(signal: AbortSignal): Promise<SiteConfiguration> {
    try {
      const uuids = await this.#virsh.uuids(signal)
      const domains = await this.#virsh.domains(uuids, signal)
      return { site: this.#record.site, services: domains.map((domain) => domain.service) }
    } catch (error) {
      if (!(error instanceof VirshUnreachable)) throw error
      throw new SiteUnreachable(`site ${this.#record.site} at ${this.#record.address} cannot be read: ${error.message}; is libvirtd running there, and may this user use it?`, { cause: error })
    }
  }

  async carryOut(call: SiteCall): Promise<SiteResult> {
    const problem = problemOf(call.operation)
    if (problem !== undefined) return { kind: 'failed', code: 'invalid', reason: problem }
    if (!operationsOf(this.#record.address).has(call.operation.name)) {
      const reason = `the driver ${this.#address.driver} of site ${this.#record.site} does not offer ${call.operation.name}`
      return { kind: 'failed', code: 'unsupported', reason }
    }
    if (!isUuid(call.service)) return this.#noSuchService(call)
    const before = this.#lastChange.get(call.service)
    const change = (before ?? Promise.resolve()).then(() => this.#change(call))
    this.#lastChange.set(call.service, change)
    try {
      return await change
    } finally {
      if (this.#lastChange.get(call.service) === change) this.#lastChange.delete(call.service)
    }
  }

  async close(): Promise<void> {}

  async #change(call: SiteCall): Promise<SiteResult> {
    let domain: Domain | undefined
    try {
      domain = await this.#look(call)
    } catch (error) {
      if (!(error instanceof VirshUnreachable)) throw error
      return { kind: 'failed', code: 'unreachable', reason: `site ${this.#record.site} not reached, nothing was changed: ${error.message}` }
    }
    if (!domain) return this.#noSuchService(call)
    if (isSo(domain, call.operation)) return { kind: 'already' }
    const changed = await this.#virsh.change(this.#commandFor(domain, call), call.signal)
    if (changed.kind === 'aborted') return { kind: 'unknown', reason: `site ${this.#record.site} had not answered when the time of the call was over` }
    if (changed.kind === 'refused') return this.#settleRefusal(call, changed.reason)
    return call.operation.name === 'stop' ? this.#waitUntilOff(call) : { kind: 'done' }
  }

  /** `virsh` failed, which a lost connection does too: the site itself says what is so now. */
  async #settleRefusal(call: SiteCall, reason: string): Promise<SiteResult> {
    try {
      const domain = await this.#look(call)
      if (!domain) return this.#noSuchService(call)
      if (isSo(domain, call.operation)) return { kind: 'done' }
      return { kind: 'failed', code: 'refused-by-site', reason: `site ${this.#record.site}: ${reason}` }
    } catch (error) {
      if (!(error instanceof VirshUnreachable)) throw error
      return { kind: 'unknown', reason: `site ${this.#record.site}: ${reason}; and it cannot be read: ${error.message}` }
    }
  }

  /** A guest that was asked to shut down takes its time. */
  async #waitUntilOff(call: SiteCall): Promise<SiteResult> {
    try {
      for (;;) {
        const domain = await this.#look(call)
        if (!domain || isSo(domain, call.operation)) return { kind: 'done' }
        await this.#virsh.nextLifecycleEvent(call.service, call.signal)
      }
    } catch (error) {
      if (!(error instanceof VirshUnreachable)) throw error
      return { kind: 'unknown', reason: `site ${this.#record.site}: the guest was asked to shut down and was not seen off in time` }
    }
  }

  async #look(call: SiteCall): Promise<Domain | undefined> {
    return (await this.#virsh.domains([call.service], call.signal))[0]
  }

  #commandFor({ service, state }: Domain, { operation, token }: SiteCall): readonly string[] {
    const write = (kept: KeptProperties) => [
      'metadata', '--domain', service.id, '--uri', metadataUri, '--key', metadataKey, '--config', `--set=${writeMetadata(kept, token)}`,
    ]
    switch (operation.name) {
      case 'start':
        return [state === 'paused' ? 'resume' : state === 'asleep' ? 'dompmwakeup' : 'start', service.id]
      case 'stop':
        return [this.#address.stopByForce ? 'destroy' : 'shutdown', service.id]
      case 'rename':
        return ['domrename', '--domain', service.id, `--new-name=${operation.to}`]
      case 'maintenance-on':
        return write({ ...service, maintenance: true })
      case 'maintenance-off':
        return write({ ...service, maintenance: false })
      case 'assign':
        return write({ ...service, users: [...service.users, operation.user].sort() })
      case 'deassign':
        return write({ ...service, users: service.users.filter((user) => user !== operation.user) })
      case 'rehearse':
        throw new Error('rehearse is refused before')
    }
  }

  #noSuchService(call: SiteCall): SiteResult {
    return { kind: 'failed', code: 'no-such-service', reason: `site ${this.#record.site} has no domain ${call.service}` }
  }
}

function isSo({ service, state }: Domain, operation: Operation): boolean {
  switch (operation.name) {
    case 'start':
      return state === 'running'
    case 'stop':
      return state === 'off'
    case 'rename':
      return service.name === operation.to
    case 'maintenance-on':
      return service.maintenance
    case 'maintenance-off':
      return !service.maintenance
    case 'assign':
      return service.users.includes(operation.user)
    case 'deassign':
      return !service.users.includes(operation.user)
    case 'rehearse':
      return false
  }
}

/** What libvirt would take and could not give back, or refuses with other words. */
function problemOf(operation: Operation): string | undefined {
  if (operation.name === 'rename') {
    if (operation.to.trim() === '') return 'the name of a domain is not empty'
    if (operation.to.includes('/')) return `the name of a domain holds no "/": ${JSON.stringify(operation.to)}`
    if (!isXmlText(operation.to)) return `the name of a domain holds no control characters: ${JSON.stringify(operation.to)}`
  }
  if ((operation.name === 'assign' || operation.name === 'deassign') && (operation.user === '' || !isXmlText(operation.user))) {
    return `the name of a user is not empty and holds no control characters: ${JSON.stringify(operation.user)}`
  }
  return undefined
}
