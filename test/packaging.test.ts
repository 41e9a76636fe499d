/** What leaves the repository: the npm package, and nothing that ties a checkout to one machine or registry. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT, readText } from './support/sources.ts'

type Target = string | { readonly [condition: string]: Target }
interface Manifest {
  readonly name: string
  readonly version: string
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, Target>>
  readonly imports: Readonly<Record<string, Target>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}
const manifest = JSON.parse(readText('package.json')) as Manifest
const built = existsSync(join(ROOT, 'dist/cli/main.js'))
if (!built) console.warn('dist is not here: what needs a build is skipped; run npm run build')

function targetsOf(target: Target): string[] {
  return typeof target === 'string' ? [target] : Object.values(target).flatMap(targetsOf)
}

describe.runIf(built)('the npm package', () => {
  const listed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
  })
  const files = packed(listed.stdout)

  it('holds the build, the specification, and the files that a reader expects', () => {
    const roots = new Set(files.map((path) => path.split('/')[0]))
    expect([...roots].sort()).toEqual(
      ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json', 'spec'].sort(),
    )
  })

  it('holds only what was compiled from a source of today', () => {
    const stale = files
      .filter((path) => path.startsWith('dist/'))
      .map((path) => ({ path, source: path.replace(/^dist/, 'src') }))
      .filter(({ source }) => {
        const compiled = ['.ts', '.tsx'].map((end) => source.replace(/(\.d)?\.ts$|\.js$/, end))
        return ![source, ...compiled].some((path) => existsSync(join(ROOT, path)))
      })
    expect(stale.map(({ path }) => path)).toEqual([])
  })

  it('has what is used of TypeBox in one file, with its licence', () => {
    const text = readText('dist/typebox.js')
    expect(text).toContain('Permission is hereby granted')
    expect(text.match(/\b(from|import)\b\s*\(?["'][^"']+["']/g) ?? []).toEqual([])
  })

  it('has a file behind every entry', () => {
    const targets = [manifest.exports, manifest.imports, manifest.bin].flatMap(targetsOf)
    expect(targets.length).toBeGreaterThan(8)
    const inPackage = new Set(files.map((path) => `./${path}`))
    const missing = targets.filter((path) => !inPackage.has(path.replace(/^(?!\.\/)/, './')))
    expect(missing).toEqual([])
  })

  it('has a command that starts, and knows its version', () => {
    const command = join(ROOT, manifest.bin.cairn!)
    const text = execFileSync(command, ['--version'], { encoding: 'utf8' })
    expect(text.trim()).toContain(manifest.version)
  })
})

/** The files of `npm pack --json`; npm 12 names packages by key. */
function packed(json: string): string[] {
  const answer = JSON.parse(json || '[]') as
    | readonly { files: { path: string }[] }[]
    | Record<string, { files: { path: string }[] }>
  const one = Object.values(answer)[0]
  return (one?.files ?? []).map(({ path }) => path)
}

describe('dependencies', () => {
  it('have exact versions', () => {
    const versions = { ...manifest.dependencies, ...manifest.devDependencies }
    const loose = Object.entries(versions).filter(
      ([, range]) => !/^\d+\.\d+\.\d+(-[a-z]+\.\d+)?$/.test(range),
    )
    expect(loose).toEqual([])
  })

  it('are those that are listed, and the README says what each is for', () => {
    const listed = [
      ...readText('docs/dependencies.md').matchAll(/^\| `([^`]+)` \| (\d+\.\d+\.\d+) \|/gm),
    ]
    const table = Object.fromEntries(listed.map(([, name, version]) => [name!, version!]))
    expect(table).toEqual(manifest.dependencies)
    const [, said = ''] = readText('README.md').split('\n## Dependencies\n')
    expect(
      Object.keys(table).filter((name) => !said.replaceAll('\n', ' ').includes(`\`${name}\` `)),
    ).toEqual([])
  })

  it('are locked by hash, with no address to fetch them from', () => {
    const lock = JSON.parse(readText('package-lock.json')) as {
      packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>
    }
    const entries = Object.entries(lock.packages).filter(([path]) => path !== '')
    expect(entries.length).toBeGreaterThan(20)
    expect(entries.filter(([, { resolved }]) => resolved !== undefined)).toEqual([])
    expect(entries.filter(([, { integrity }]) => integrity === undefined)).toEqual([])
  })
})

const HOSTS = /registry\.npm(js|mirror)?|npmjs\.(org|com)|yarnpkg|proxy\.golang|pypi\.|artifactory/i

describe.runIf(existsSync(join(ROOT, '.git')))('the repository', () => {
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)))

  it('names the host of no package registry', () => {
    const own = 'test/packaging.test.ts'
    const naming = tracked.filter((path) => path !== own && HOSTS.test(readText(path)))
    expect(naming).toEqual([])
  })

  it('tracks nothing that is built, installed or secret', () => {
    const unwanted = tracked.filter((path) =>
      /(^|\/)(dist|node_modules|coverage|cairn-data)\/|\.(tgz|token|key)$/.test(path),
    )
    expect(unwanted).toEqual([])
  })
})
