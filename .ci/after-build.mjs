// After tsc: the command must be executable straight from a checkout, and what was compiled from a source that is gone
// must go as well, or it would be published. The verifier page is made here too.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { verifierPage } from './verifier-page.mjs'

const [dist, src] = ['dist', 'src'].map((name) =>
  fileURLToPath(new URL(`../${name}`, import.meta.url)),
)

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue
  const file = join(entry.parentPath, entry.name)
  const source = join(src, relative(dist, file))
  const sources = ['.ts', '.tsx'].map((end) => source.replace(/(\.d)?\.ts$|\.js$/, end))
  if (![source, ...sources].some(existsSync)) rmSync(file)
}

const command = join(dist, 'cli/main.js')
if (existsSync(command)) chmodSync(command, 0o755)

// Whole or not at all, as somebody may be reading it.
const page = join(dist, 'web/verifier/page.html')
const draft = `${page}.${process.pid}.tmp`
mkdirSync(dirname(page), { recursive: true })
writeFileSync(draft, await verifierPage())
renameSync(draft, page)
