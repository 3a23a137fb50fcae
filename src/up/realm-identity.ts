/** P20: a data folder remembers the random id of its realm, so that a copied folder, or the wrong server, is noticed. */
import { join } from 'node:path'
import { readTextFile, replaceTextFile } from '../platform/folders.ts'

export async function rememberedRealm(dataFolder: string): Promise<string | undefined> {
  const text = (await readTextFile(join(dataFolder, 'realm')))?.trim()
  return text === '' ? undefined : text
}

export async function rememberRealm(dataFolder: string, realm: string): Promise<void> {
  if ((await rememberedRealm(dataFolder)) !== realm) await replaceTextFile(join(dataFolder, 'realm'), `${realm}\n`)
}
