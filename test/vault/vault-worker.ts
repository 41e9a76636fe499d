/** A process of its own that uses a vault, for tests in which it dies. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundles } from '../support/bundled.ts'

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

const IMPORTS = `
  import { writeSync } from 'node:fs'
  import { openLevelVaultStore } from ${JSON.stringify(here('../../src/storage/level-vault.ts'))}
  import { openVault } from ${JSON.stringify(here('../../src/vault/vault.ts'))}
  import { entry, masterKey } from ${JSON.stringify(here('vaults.ts'))}
  const say = (line) => writeSync(1, line + '\\n')
  const store = await openLevelVaultStore(process.argv[2])
  const vault = await openVault({ store, masterKey: masterKey(), now: () => Date.now() })`

const bundled = bundles(
  Object.fromEntries(
    Object.entries(PROGRAMS).map(([name, program]) => [name, `${IMPORTS}${program}`]),
  ),
)

/** The arguments for node that run a program on a vault. */
export async function vaultWorker(
  program: keyof typeof PROGRAMS,
  directory: string,
  argument: string,
): Promise<string[]> {
  return [join(await bundled(), `${program}.mjs`), directory, argument]
}
