/** Writes spec/vectors: `npx tsx test/support/make-vectors.ts`, after a build. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { vectorFiles } from './vectors.ts'

const folder = new URL('../../spec/vectors/', import.meta.url)
mkdirSync(folder, { recursive: true })
for (const [name, text] of vectorFiles()) {
  writeFileSync(new URL(name, folder), text)
  console.log(`spec/vectors/${name}: ${text.length} characters`)
}
