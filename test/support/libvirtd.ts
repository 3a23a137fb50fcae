/**
 * A libvirt daemon of a test's own: session mode, sockets and state in a temporary folder, so that nothing of the system is touched
 * and several run side by side. Its test hypervisor forgets everything when the last connection closes, so one is held open.
 */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { access, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

export interface Libvirtd {
  readonly socket: string
  /** Of the test hypervisor; through `socket`, when another one stands in for it. */
  uri(socket?: string): string
  /** Of QEMU, for emulated guests of the same daemon. */
  readonly qemuUri: string
  /** `virsh` at the test hypervisor with these arguments; its output. Throws when it fails. */
  virsh(...args: readonly string[]): string
  /** `virsh` at QEMU. */
  virshAtQemu(...args: readonly string[]): string
  /** Defines a domain of the test hypervisor that is off; its UUID. `metadata`: XML. */
  define(name: string, metadata?: string): Promise<string>
  /** Defines domains from their whole XML. */
  defineXml(at: 'test' | 'qemu', ...xmls: readonly string[]): Promise<void>
  stop(): Promise<void>
}

const programs = ['libvirtd', 'virsh', 'setpriv']
/** Of the emulated guests that `virshAtQemu` starts. */
export const emulator = 'qemu-system-x86_64'
const nobody = 65534

/** Why the tests that need it, and `more` programs, are skipped; undefined when nothing is missing. In CI nothing may be missing: throws. */
export function libvirtMissing(...more: readonly string[]): string | undefined {
  const missing = [...programs, ...more].filter((program) => !isInstalled(program))
  if (missing.length === 0) return undefined
  const reason = `${missing.join(', ')} not installed (Debian: libvirt-daemon-system, libvirt-clients, qemu-system-x86)`
  if (process.env['CI'] === 'true') throw new Error(`libvirt tests must run in CI: ${reason}`)
  console.warn(`libvirt tests are skipped: ${reason}`)
  return reason
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('/bin/sh', ['-c', `PATH="$PATH:/usr/sbin" command -v ${program}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export async function startLibvirtd(): Promise<Libvirtd> {
  const folder = await mkdtemp(join(tmpdir(), 'reeve-libvirtd-'))
  const asRoot = process.getuid?.() === 0
  const path = `${process.env['PATH']}:/usr/sbin`
  const environment: Record<string, string> = { PATH: path, HOME: folder, LC_ALL: 'C.UTF-8' }
  for (const [name, child] of Object.entries({ XDG_RUNTIME_DIR: 'run', XDG_CONFIG_HOME: 'config', XDG_CACHE_HOME: 'cache', XDG_DATA_HOME: 'data' })) {
    environment[name] = join(folder, child)
    await mkdir(environment[name], { mode: 0o700 })
    if (asRoot) await chown(environment[name], nobody, nobody)
  }
  if (asRoot) await chown(folder, nobody, nobody)
  const log = join(folder, 'log')
  const configuration = [`unix_sock_dir = "${folder}"`, 'auth_unix_ro = "none"', 'auth_unix_rw = "none"', `log_outputs = "3:file:${log}"`]
  await writeFile(join(folder, 'libvirtd.conf'), `${configuration.join('\n')}\n`)

  // Otherwise guests' output goes through a daemon more, which stays behind.
  const configurationOfLibvirt = join(environment['XDG_CONFIG_HOME']!, 'libvirt')
  await mkdir(configurationOfLibvirt)
  await writeFile(join(configurationOfLibvirt, 'qemu.conf'), 'stdio_handler = "file"\n')
  if (asRoot) await chown(configurationOfLibvirt, nobody, nobody)

  // The kernel ends it with us, also when we are killed; as root it runs as nobody, since root has no session mode.
  const user = asRoot ? ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'] : []
  const args = ['--pdeathsig', 'TERM', ...user, '--', 'libvirtd', '--config', join(folder, 'libvirtd.conf'), '--pid-file', join(folder, 'pid')]
  const daemon = spawn('setpriv', args, { env: environment, stdio: 'ignore' })
  const socket = join(folder, 'libvirt-sock')
  const uri = (through = socket) => `test+unix:///default?socket=${through}`
  const qemuUri = `qemu+unix:///session?socket=${socket}`
  const virshAt = (at: string, command: readonly string[]) =>
    execFileSync('virsh', ['--quiet', '--connect', at, ...command], { env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const virsh = (...command: readonly string[]) => virshAt(uri(), command)
  const virshAtQemu = (...command: readonly string[]) => virshAt(qemuUri, command)
  let holder: ChildProcess | undefined
  let hasGuests = false
  const stop = async () => {
    // Guests outlive their daemon.
    if (hasGuests) for (const uuid of virshAtQemu('list', '--uuid').split('\n')) if (uuid !== '') virshAtQemu('destroy', uuid)
    await end(holder)
    await end(daemon)
    await rm(folder, { recursive: true, force: true })
  }
  const defineXml = async (at: 'test' | 'qemu', ...xmls: readonly string[]) => {
    const files = xmls.map((_, index) => join(folder, `define-${index}.xml`))
    for (const [index, file] of files.entries()) await writeFile(file, xmls[index]!)
    hasGuests ||= at === 'qemu'
    virshAt(at === 'test' ? uri() : qemuUri, [files.map((file) => `define ${file}`).join('; ')])
  }
  try {
    await eventually(() => accepts(socket), { what: `libvirtd listens on ${socket}` })
    holder = spawn('virsh', ['--quiet', '--connect', uri(), 'event', '--all', '--loop', '--timestamp'], { env: environment, stdio: 'ignore' })
    // Only a change that outlives the process that made it shows that the connection is held.
    await eventually(
      async () => {
        virsh('metadata', 'test', '--uri', 'urn:reeve:test', '--key', 't', '--config', '--set=<held/>')
        return virsh('dumpxml', '--inactive', 'test').includes('held')
      },
      { what: 'a connection is held open' },
    )
    return {
      socket,
      uri,
      qemuUri,
      virsh,
      virshAtQemu,
      defineXml,
      async define(name, metadata = '') {
        const escaped = name.replace(/[&<>]/g, (character) => `&#${character.codePointAt(0)};`)
        await defineXml(
          'test',
          `<domain type="test"><name>${escaped}</name><metadata>${metadata}</metadata><memory>1024</memory><os><type>hvm</type></os></domain>`,
        )
        return virsh('domuuid', '--domain', name).trim()
      },
      stop,
    }
  } catch (error) {
    const said = await readFile(log, 'utf8').catch(() => '')
    await stop()
    throw new Error(`libvirtd did not start: ${said}`, { cause: error })
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const hard = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await exited
  clearTimeout(hard)
}

async function accepts(socket: string): Promise<boolean> {
  if (!(await access(socket).then(() => true, () => false))) return false
  return new Promise((resolve) => {
    const connection = connect(socket)
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', () => resolve(false))
  })
}
