// After tsc: each module of src/browser with all that it needs in one file, so that a page or a worker can import it as
// it stands, without a bundler, an import map or a network.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
/** Of these, ML-DSA-44 and COSE are left out. */
const SMALL = ['verify-ed25519.ts']
const COSE = ['src/formats/cose-receipt.ts', 'src/formats/cose-sign1.ts']

/** Follows the package's `#…` imports as for browsers, but to the sources. */
export function webImports({ small = false } = {}) {
  const { imports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  return {
    name: 'web-imports',
    setup(plugins) {
      plugins.onResolve({ filter: /^#/ }, ({ path }) => {
        if (small && path === '#ml-dsa') {
          return { path: join(ROOT, 'src/crypto/ml-dsa-absent.ts') }
        }
        const target = imports[path]?.default
        if (target === undefined) return { errors: [{ text: `${path} is not for browsers` }] }
        return { path: join(ROOT, target.replace('./dist/', 'src/').replace(/js$/, 'ts')) }
      })
      if (!small) return
      plugins.onResolve({ filter: /\/cose-\w+\.ts$/ }, ({ path, resolveDir }) => {
        const isCose = COSE.includes(relative(ROOT, join(resolveDir, path)))
        return isCose ? { path: join(ROOT, 'src/formats/cose-absent.ts') } : undefined
      })
    },
  }
}

/** What browsers understand of the last years; the oldest that are looked after are Firefox ESR 115 and Safari 16. */
export const BROWSERS = ['es2022', 'chrome109', 'firefox115', 'safari16']

/** The options of esbuild for one of the modules. */
export function browserModule(file) {
  return {
    absWorkingDir: ROOT,
    entryPoints: [join('src/browser', file)],
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: BROWSERS,
    legalComments: 'eof',
    plugins: [webImports({ small: SMALL.includes(file) })],
    logLevel: 'warning',
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const file of readdirSync(join(ROOT, 'src/browser'))) {
    const outfile = join('dist/browser', file.replace(/ts$/, 'js'))
    await build({ ...browserModule(file), outfile, allowOverwrite: true })
  }
}
