// Writes the generated pages of docs/. Run: node ops/generate-docs.ts
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { generatedPages } from '../src/docs/pages.ts'

for (const { path, text } of generatedPages()) writeFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), text)
