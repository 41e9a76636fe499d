/** docs/verify.md: its examples are run as they stand there, and its tables are those of the code. */
import { spawnSync } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkMeaning } from '../src/client/check-words.ts'
import { cairn } from './cli/run.ts'
import { ROOT, readText } from './support/sources.ts'
import { type VerifyPlace, verifyPlace } from './support/verify-place.ts'

const DOCUMENT = readText('docs/verify.md')
const blocks = [...DOCUMENT.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
const ofLanguage = (language: string) =>
  blocks.flatMap(([, name, text]) => (name === language ? [text!] : []))

let place: VerifyPlace
beforeAll(async () => {
  place = await verifyPlace()
})
afterAll(() => place.remove())

interface Example {
  readonly command: string
  readonly printed: string
  readonly code: number
}

const examples = ofLanguage('console').flatMap((text) =>
  text
    .split(/^\$ /m)
    .slice(1)
    .map((one): Example => {
      const [command = '', ...lines] = one.trimEnd().split('\n')
      const code = Number(/^# exit (\d)$/.exec(lines.at(-1) ?? '')?.[1] ?? 0)
      return { command, printed: (code === 0 ? lines : lines.slice(0, -1)).join('\n'), code }
    }),
)

/** Text in which an ellipsis stands for anything. */
function pattern(text: string): RegExp {
  const parts = text.split(/…\n?/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[\\s\\S]*')}\n*$`)
}

describe('the commands in docs/verify.md', () => {
  it.each(examples.map((one) => [one.command, one] as const))('$ %s', async (_, one) => {
    const [program, ...args] = one.command.split(' ')
    expect(program).toBe('cairn')
    const run = await cairn(args, { cwd: place.folder })
    expect(run.stderr).toBe('')
    expect(run.stdout).toMatch(pattern(one.printed))
    expect(run.code).toBe(one.code)
    const report = args[args.indexOf('--report') + 1]
    if (args.includes('--report')) {
      expect(await readFile(place.at(report!), 'utf8')).toContain('Verification report')
    }
  })

  it('are of every kind of file', () => {
    expect(examples.length).toBeGreaterThan(6)
  })
})

describe('the code in docs/verify.md', () => {
  const codes = ofLanguage('ts')

  it('compiles in strict TypeScript, and prints what it says', async () => {
    expect(codes).toHaveLength(3)
    await mkdir(place.at('node_modules'))
    await symlink(ROOT, place.at('node_modules/cairn-log'))
    await Promise.all(codes.map((code, i) => writeFile(place.at(`example-${i}.mts`), code)))
    const compilerOptions = {
      target: 'ES2023',
      module: 'NodeNext',
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      outDir: 'built',
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
    }
    await writeFile(
      place.at('tsconfig.json'),
      JSON.stringify({ compilerOptions, include: ['example-*.mts'] }),
    )
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const compiled = spawnSync(process.execPath, [tsc, '-p', place.folder], { encoding: 'utf8' })
    expect(compiled.stdout + compiled.stderr).toBe('')
    const all = codes.map((_, i) => `await import('./example-${i}.mjs')\n`).join('')
    await writeFile(place.at('built/all.mjs'), all)
    const run = spawnSync(process.execPath, ['built/all.mjs'], {
      cwd: place.folder,
      encoding: 'utf8',
    })
    expect(run.stderr).toBe('')
    const said = codes.flatMap((code) =>
      [...code.matchAll(/^\/\/ (.*)$/gm)].map(([, line]) => line),
    )
    const lines = run.stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(said.length)
    for (const [i, line] of lines.entries()) expect(line.trimEnd()).toMatch(pattern(said[i]!))
  })
})

describe('the tables in docs/verify.md', () => {
  it('say of each check what the reports say', () => {
    const rows = [...DOCUMENT.matchAll(/^\| `([a-z -]+)` \| (.*) \|$/gm)]
    expect(rows.length).toBeGreaterThan(15)
    for (const [, name, meaning] of rows) expect(checkMeaning(name!), name).toBe(meaning)
  })

  it('have every check that a verdict may have', () => {
    const words = readText('src/client/check-words.ts')
    const names = [...words.matchAll(/^ {2}'?([a-z][a-z -]+?)'?:/gm)].map(([, name]) => name!)
    expect(names.length).toBeGreaterThan(15)
    expect(names.filter((name) => !DOCUMENT.includes(`| \`${name}\` |`))).toEqual([])
  })

  it('tell the sizes of the modules for browsers, to within a tenth', async () => {
    const rows = [...DOCUMENT.matchAll(/^\| `cairn-log\/(browser\/[\w-]+\.js)` \| (\d+) kB \|/gm)]
    expect(rows).toHaveLength(3)
    for (const [, file, told] of rows) {
      const size = gzipSync(await readFile(join(ROOT, 'dist', file!)), { level: 9 }).length
      expect(Math.abs(size / 1000 - Number(told)) / Number(told), file).toBeLessThan(0.1)
    }
  })
})
