// After tsc: src/typebox.ts with all that it needs in one file, under the licence that it came with. Without this step
// the module loads TypeBox from where it is installed, and everything works as well, only slower.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const file = join(ROOT, 'dist/typebox.js')
const licence = readFileSync(join(ROOT, 'node_modules/typebox/license'), 'utf8').trim()

const { outputFiles } = await build({
  absWorkingDir: ROOT,
  entryPoints: ['src/typebox.ts'],
  bundle: true,
  // Not minified, so that what an error says of where it happened can be read.
  minify: false,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  banner: { js: `/*!\nWhat follows is TypeBox.\n\n${licence}\n*/` },
  write: false,
  logLevel: 'warning',
})

// Whole or not at all, as somebody may be loading it.
const draft = `${file}.${process.pid}.tmp`
writeFileSync(draft, outputFiles[0].contents)
renameSync(draft, file)
