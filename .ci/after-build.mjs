// After tsc: the command must be executable straight from a checkout, and what was compiled from a source that is gone
// must go as well, or it would be published.
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

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
