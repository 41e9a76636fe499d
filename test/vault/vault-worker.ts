/** A process of its own that uses a vault, for tests in which it dies. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll } from 'vitest'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** What the process does, with `vault` open; `say` writes a line at once. */
const PROGRAMS = {
  put: `
    const people = await Promise.all([0, 1, 2, 3, 4].map((i) => vault.pseudonym('acme', 'person ' + i)))
    for (let n = Number(process.argv[3]); ; n += 50) {
      const entries = Array.from({ length: 50 }, (_, i) => entry(n + i, i % 6 === 0 ? undefined : people[i % 5]))
      say('putting ' + n)
      await vault.put(entries)
      say('put ' + n)
    }`,
  erase: `
    for (const pseudonym of process.argv[3].split(',')) {
      say('erasing ' + pseudonym)
      await vault.eraseSubject('acme', pseudonym)
      say('erased ' + pseudonym)
    }`,
}

let bundled: Promise<string> | undefined
afterAll(async () => {
  if (bundled !== undefined) await rm(await bundled, { recursive: true })
})

/** The arguments for node that run a program on a vault. */
export async function vaultWorker(
  program: keyof typeof PROGRAMS,
  directory: string,
  argument: string,
): Promise<string[]> {
  bundled ??= bundle()
  return [join(await bundled, `${program}.mjs`), directory, argument]
}

async function bundle(): Promise<string> {
  const out = await mkdtemp(join(tmpdir(), 'cairn-worker-'))
  for (const [name, program] of Object.entries(PROGRAMS)) {
    const contents = `
      import { writeSync } from 'node:fs'
      import { openLevelVaultStore } from ${JSON.stringify(here('../../src/storage/level-vault.ts'))}
      import { openVault } from ${JSON.stringify(here('../../src/vault/vault.ts'))}
      import { entry, masterKey } from ${JSON.stringify(here('vaults.ts'))}
      const say = (line) => writeSync(1, line + '\\n')
      const store = await openLevelVaultStore(process.argv[2])
      const vault = await openVault({ store, masterKey: masterKey(), now: () => Date.now() })
      ${program}`
    const built = await build({
      stdin: { contents, resolveDir: here('.'), loader: 'ts' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      write: false,
      alias: {
        '#sha256': here('../../src/crypto/sha256-node.ts'),
        // Native code is found beside the package, so that is not bundled.
        level: here('../../node_modules/level/index.js'),
      },
      external: [here('../../node_modules/level/index.js')],
    })
    await writeFile(join(out, `${name}.mjs`), built.outputFiles[0]!.contents)
  }
  return out
}
