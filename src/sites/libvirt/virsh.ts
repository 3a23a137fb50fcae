/**
 * Talks to a libvirt daemon through `virsh`. Reads are scripts, many commands in one process and one connection; changes are one
 * command, its arguments handed over as they are. What happened is never told from the text of a message.
 */
import { CommandNotFound, runToEnd } from '../../platform/command.ts'
import { environment } from '../../platform/process.ts'
import { readDomain } from './domain.ts'
import type { Domain } from './domain.ts'

/** No connection came about, or it ended in the middle. Nothing was changed. */
export class VirshUnreachable extends Error {
  override readonly name = 'VirshUnreachable'
  readonly retryable = true
  constructor(reason: string, cause?: unknown) {
    super(reason, { cause })
  }
}

export type Changed =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly reason: string }
  /** Killed at the end of its time: it may still happen. */
  | { readonly kind: 'aborted' }

/** Cannot stand in XML, so in nothing that a domain's description holds. */
const mark = '\u001e'
/** One script is one argument, which the system limits to 128 KiB. */
const domainsPerScript = 300
const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function isUuid(text: string): boolean {
  return uuidPattern.test(text)
}

export class Virsh {
  readonly #uri: string

  constructor(uri: string) {
    this.#uri = uri
  }

  /** Sorted. Throws `VirshUnreachable`. */
  async uuids(signal: AbortSignal): Promise<readonly string[]> {
    const [, list] = await this.#script([`echo ${mark}`, 'list --all --uuid'], signal)
    return uuidsIn(list!)
  }

  /** Those of `uuids` that exist; a domain that went away meanwhile is left out. Throws `VirshUnreachable`. */
  async domains(uuids: readonly string[], signal: AbortSignal): Promise<readonly Domain[]> {
    const found: Domain[] = []
    for (let from = 0; from < uuids.length; from += domainsPerScript) {
      const batch = uuids.slice(from, from + domainsPerScript)
      const commands = batch.flatMap((uuid) => [`echo ${mark}`, `domstate ${uuid}`, `echo ${mark}`, `dumpxml --inactive ${uuid}`])
      const parts = await this.#script([...commands, `echo ${mark}`, 'list --all --uuid'], signal)
      const still = new Set(uuidsIn(parts[2 * batch.length + 1] ?? ''))
      for (const [index, uuid] of batch.entries()) {
        const state = parts[2 * index + 1]!.trim()
        const xml = parts[2 * index + 2]!
        if (state !== '' && xml.trim() !== '') found.push(readDomain(state, xml))
        else if (still.has(uuid)) throw new VirshUnreachable(`libvirt does not describe domain ${uuid}`)
      }
    }
    return found
  }

  async change(args: readonly string[], signal: AbortSignal): Promise<Changed> {
    const outcome = await this.#run(args, signal)
    if (outcome.code === 0) return { kind: 'done' }
    if (outcome.aborted) return { kind: 'aborted' }
    return { kind: 'refused', reason: oneLine(outcome.stderr) }
  }

  /** Resolves when something happened to the domain's life, after a second, or when `signal` aborts. */
  async nextLifecycleEvent(uuid: string, signal: AbortSignal): Promise<void> {
    await this.#run(['event', '--domain', uuid, '--event', 'lifecycle', '--timeout', '1'], signal)
  }

  /** Output cut at the marks; throws unless the last command went well, which shows that the connection held. */
  async #script(commands: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    const outcome = await this.#run([commands.join('; ')], signal)
    if (outcome.aborted) throw new VirshUnreachable('no answer in time')
    if (outcome.code !== 0) throw new VirshUnreachable(oneLine(outcome.stderr))
    return outcome.stdout.split(mark)
  }

  async #run(args: readonly string[], signal: AbortSignal): ReturnType<typeof runToEnd> {
    try {
      return await runToEnd('virsh', ['--quiet', '--connect', this.#uri, ...args], { environment: { ...environment(), LC_ALL: 'C.UTF-8' }, signal })
    } catch (error) {
      if (!(error instanceof CommandNotFound)) throw error
      throw new VirshUnreachable(`${error.message}: install libvirt's clients on the agent's machine`, error)
    }
  }
}

function uuidsIn(list: string): readonly string[] {
  return list.split('\n').map((line) => line.trim()).filter(isUuid).sort()
}

function oneLine(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.replace(/^error: /, '').trim())
  return lines.filter((line) => line !== '').join('; ') || 'virsh failed without a word'
}
