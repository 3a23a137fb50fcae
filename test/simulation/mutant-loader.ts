/**
 * Loads the code under test once more with a change of its text, beside the unchanged one: every own module that a module loaded as
 * `…?mutant=NAME` imports is loaded so too. Nothing of this is in the product.
 */
import { registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { dirname, join } from 'node:path'

export interface Patch {
  /** Path in the repository. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

const root = pathToFileURL(join(dirname(fileURLToPath(import.meta.url)), '..', '..', '/')).href

export class MutantDoesNotApply extends Error {
  override readonly name = 'MutantDoesNotApply'
  readonly retryable = false
}

export function installMutants(patchesOf: (name: string) => readonly Patch[]): void {
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context)
      const name = context.parentURL === undefined ? null : new URL(context.parentURL).searchParams.get('mutant')
      if (name === null || !resolved.url.startsWith(root) || resolved.url.includes('/node_modules/') || resolved.url.includes('mutant=')) return resolved
      return { ...resolved, url: `${resolved.url}?mutant=${name}` }
    },
    load(url, context, next) {
      const loaded = next(url, context)
      const address = new URL(url)
      const name = address.protocol === 'file:' ? address.searchParams.get('mutant') : null
      if (name === null || loaded.source == null) return loaded
      address.search = ''
      const patches = patchesOf(name).filter(({ file }) => address.href === new URL(file, root).href)
      if (patches.length === 0) return loaded
      let source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source)
      for (const { file, find, replace } of patches) {
        if (source.split(find).length !== 2) throw new MutantDoesNotApply(`mutant ${name}: ${file} does not hold exactly once: ${find}`)
        source = source.replace(find, () => replace)
      }
      return { ...loaded, source }
    },
  })
}
