/**
 * Adapter of kind `drill`: a site without a site behind it, for rehearsals and measuring. Its services `s00001`… can only be
 * rehearsed: such a job goes the whole way of a job and changes nothing.
 */
import type { Service, SiteConfiguration } from '../../../machines/service/model.ts'
import type { OperationName } from '../../../machines/service/operation.ts'
import { withoutLogin } from '../../../streams/login-in-text.ts'
import type { SiteAdapter, SiteCall, SiteConnection, SiteRecord, SiteResult } from '../adapter.ts'

const operations: ReadonlySet<OperationName> = new Set(['rehearse'])
const defaultServices = 100
/** The most that one site may have; as many as have been measured. */
const mostServices = 100_000

export const drillAdapter: SiteAdapter = {
  kind: 'drill',
  fencing: 'none',
  skill: 'none',
  operations,
  repeatable: operations,
  checkAddress(address) {
    if (countOf(address) !== undefined) return undefined
    return `address ${JSON.stringify(withoutLogin(address))} is none of a drill site: give drill://?services=N, N from 1 to ${mostServices}`
  },
  connect: (record) => new DrillConnection(record),
}

function countOf(address: string): number | undefined {
  const match = /^drill:\/\/\/?(?:\?services=([1-9]\d{0,5}))?$/.exec(address)
  if (!match) return undefined
  const count = match[1] === undefined ? defaultServices : Number(match[1])
  return count <= mostServices ? count : undefined
}

class DrillConnection implements SiteConnection {
  readonly #site: string
  readonly #count: number

  constructor(record: SiteRecord) {
    this.#site = record.site
    this.#count = countOf(record.address) ?? defaultServices
  }

  async read(): Promise<SiteConfiguration> {
    return { site: this.#site, services: Array.from({ length: this.#count }, (_, index) => drillService(index + 1)).sort(byId) }
  }

  async carryOut(call: SiteCall): Promise<SiteResult> {
    if (call.operation.name !== 'rehearse') {
      return { kind: 'failed', code: 'unsupported', reason: `a drill site offers rehearse, not ${call.operation.name}` }
    }
    if (!this.#has(call.service)) {
      return { kind: 'failed', code: 'no-such-service', reason: `site ${this.#site} has no service ${call.service}` }
    }
    return { kind: 'done' }
  }

  async close(): Promise<void> {}

  #has(service: string): boolean {
    const number = Number(service.slice(1))
    return Number.isInteger(number) && number >= 1 && number <= this.#count && idOf(number) === service
  }
}

function idOf(number: number): string {
  return `s${String(number).padStart(5, '0')}`
}

function byId(a: Service, b: Service): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

function drillService(number: number): Service {
  return {
    id: idOf(number),
    name: `Drill ${idOf(number)}`,
    kind: 'machine',
    delivery: 'hosted',
    folder: '',
    group: null,
    power: 'on',
    maintenance: false,
    assignment: 'fixed',
    users: [],
    userGroups: [],
    sessions: [],
  }
}
