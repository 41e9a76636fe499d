/** Bundles the targets with instrumented sources, and the worker that runs them. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin, transform } from 'esbuild'
import { instrument } from './instrument.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SOURCES = join(ROOT, 'src/')

export interface Built {
  readonly bundle: string
  readonly worker: string
  readonly counters: number
  readonly words: readonly string[]
}

/** The package's own imports, which would lead to what was built before. */
const ownImports: Plugin = {
  name: 'own imports',
  setup({ onResolve }) {
    onResolve({ filter: /^#/ }, ({ path }) => ({
      path: join(SOURCES, 'crypto', `${path.slice(1)}-node.ts`),
    }))
  },
}

/** Builds into a folder, which is below the package so that its dependencies are found from there. */
export async function buildTargets(folder: string, entry = 'bundle.ts'): Promise<Built> {
  await mkdir(folder, { recursive: true })
  let counters = 0
  const words = new Set<string>()
  const counting: Plugin = {
    name: 'instrument',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!path.startsWith(SOURCES)) return undefined
        const text = await readFile(path, 'utf8')
        const { code } = await transform(text, { loader: 'ts', target: 'es2023' })
        const instrumented = instrument(code, counters)
        counters = instrumented.counters
        for (const word of instrumented.words) words.add(word)
        return { contents: instrumented.code, loader: 'js' }
      })
    },
  }
  const here = fileURLToPath(new URL('.', import.meta.url))
  const common = { bundle: true, format: 'esm', platform: 'node', packages: 'external' } as const
  const bundle = join(folder, 'bundle.mjs')
  const worker = join(folder, 'worker.mjs')
  await build({
    ...common,
    entryPoints: [join(here, entry)],
    outfile: bundle,
    plugins: [ownImports, counting],
  })
  await build({
    ...common,
    entryPoints: [join(here, 'worker.ts')],
    outfile: worker,
    external: ['./bundle.ts'],
  })
  return { bundle, worker, counters, words: [...words] }
}
