// `npm ci` in a clone: puts our own program where npx looks first, so that `npx reeve` starts at once instead of packing this folder.
import { lstatSync, mkdirSync, symlinkSync } from 'node:fs'

const link = new URL('../../node_modules/.bin/reeve', import.meta.url)
if (process.platform !== 'win32' && lstatSync(link, { throwIfNoEntry: false }) === undefined) {
  mkdirSync(new URL('.', link), { recursive: true })
  symlinkSync('../../bin/reeve.mjs', link)
}
