/** Programs for tests that stand where a nats-server is looked for. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../src/platform/clock.ts'
import { findNatsServer } from '../../src/server/find.ts'

/** A program that says of itself that it is this version of nats-server, and can do nothing else. */
export async function programOfVersion(folder: string, version: string): Promise<string> {
  return shellProgram(folder, `echo "nats-server: v${version}"`)
}

export async function shellProgram(folder: string, body: string, mode = 0o755): Promise<string> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'nats-server')
  await writeFile(path, `#!/bin/sh\n${body}\n`)
  await chmod(path, mode)
  return path
}

/** The real one that this machine has, or fetches once into the user's cache. */
export async function realNatsServer(): Promise<string> {
  return (await findNatsServer({ clock: systemClock })).program
}
