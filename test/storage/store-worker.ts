/** A process of its own that uses a store, for tests that need a second one or one that dies. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundles } from '../support/bundled.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/**
 * What the process does: hold the store open; commit for ever and print each size once it is acknowledged; or go on
 * taking records into a search index, and print each `next`.
 */
const PROGRAMS = {
  hold: `
    await openLevelStore(process.argv[2])
    console.log('open')
    setInterval(() => {}, 1000)`,
  commit: `
    const store = await openLevelStore(process.argv[2])
    const model = new ModelLog()
    const { size } = (await store.head()) ?? { size: 0 }
    for (let i = 0; i < size; i++) model.append(leavesOf(i, 1))
    for (;;) {
      const commit = model.append(leavesOf(model.leaves.length, 1 + (model.leaves.length % 97)))
      await store.commit(commit)
      process.stdout.write(commit.head.size + '\\n')
    }`,
  index: `
    const index = await openSearchIndex({ store: await openLevelIndexStore(process.argv[2]) })
    const all = [...records(Number(process.argv[3]))].slice(index.next)
    for (let length = 1; all.length > 0; length = (length * 7) % 641) {
      const some = all.splice(0, length)
      await index.apply({ records: some, next: some.at(-1).index + 1 })
      process.stdout.write(index.next + '\\n')
    }`,
}

const IMPORTS = `
  import { openLevelStore } from ${JSON.stringify(here('../../src/storage/level.ts'))}
  import { openLevelIndexStore } from ${JSON.stringify(here('../../src/storage/level-index.ts'))}
  import { openSearchIndex } from ${JSON.stringify(here('../../src/search/search-index.ts'))}
  import { records } from ${JSON.stringify(here('../../bench/search-records.ts'))}
  import { leavesOf, ModelLog } from ${JSON.stringify(here('commits.ts'))}`

const bundled = bundles(
  Object.fromEntries(
    Object.entries(PROGRAMS).map(([name, program]) => [name, `${IMPORTS}${program}`]),
  ),
)

/** The arguments for node that run a program on a store. */
export async function storeWorker(
  program: keyof typeof PROGRAMS,
  directory: string,
): Promise<string[]> {
  return [join(await bundled(), `${program}.mjs`), directory]
}

/** Whether this user may mount file systems. */
export function canMount(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'cairn-test', directory], {
      stdio: 'ignore',
    })
    execFileSync('umount', [directory])
    return true
  } catch {
    console.log('skipping tests on a file system of their own: this user may not mount one')
    return false
  } finally {
    rmSync(directory, { recursive: true })
  }
}
