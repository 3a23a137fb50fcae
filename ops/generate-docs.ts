// Writes the generated pages and pictures of docs/. Run: node ops/generate-docs.ts
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { generatedPages, generatedPictures } from '../src/docs/pages.ts'

mkdirSync(fileURLToPath(new URL('../docs/machines', import.meta.url)), { recursive: true })
for (const { path, text } of [...generatedPages(), ...(await generatedPictures())]) {
  writeFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), text)
}
