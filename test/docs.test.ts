/** The documents against the code: links, tables and catalogues. */
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { exitForError } from '../src/cli/exit.ts'
import { CairnError, type CairnErrorCode } from '../src/errors.ts'
import { createMetrics } from '../src/http/metrics.ts'
import { type ProblemCode, problem } from '../src/http/problem.ts'
import { SETTINGS } from '../src/server/settings.ts'
import { filesBelow, ROOT, readText } from './support/sources.ts'

describe('the catalogue of errors', () => {
  const catalogue = readText('docs/errors.md')
  const union = readText('src/errors.ts').split('export class')[0]!
  const codes = [...union.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code]) => code!)
  const sections = new Map(
    catalogue
      .split(/^## /m)
      .slice(1)
      .map((text) => [text.split('\n')[0]!, text]),
  )

  it('has a heading for each code, and no other', () => {
    expect(codes.length).toBeGreaterThan(10)
    expect([...sections.keys()].filter((heading) => heading !== 'Over HTTP only')).toEqual(codes)
  })

  it.each(codes)('tells status and exit code of %s', (code) => {
    const section = sections.get(code)
    const { status } = problem(code as CairnErrorCode, '')
    const exit = exitForError(new CairnError(code as CairnErrorCode, ''))
    expect(section).toMatch(new RegExp(`^HTTP ${status}\\b[^.]*\\. Exit ${exit}\\.`, 'm'))
  })

  it('lists the codes that only HTTP has, with their status', () => {
    const kinds = readText('src/http/problem.ts').split('export type ProblemCode')[0]!
    const own = [...kinds.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code]) => code!)
    const rows = [...catalogue.matchAll(/^\| `([A-Z_]+)` \| (\d+) \|/gm)]
    expect(rows.map(([, code]) => code).sort()).toEqual(own.sort())
    for (const [, code, status] of rows) {
      expect(problem(code as ProblemCode, '').status, code).toBe(Number(status))
    }
  })
})

describe('what the documents say', () => {
  const documents = [
    ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
    ...filesBelow('docs').filter((path) => path.endsWith('.md')),
  ]

  it.each(documents)('%s links to nothing that is missing', (path) => {
    const targets = [...readText(path).matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)]
    const folder = new URL(path, `file://${ROOT}`)
    const missing = targets.filter(([, target, heading]) => {
      const file = target === '' ? folder : new URL(target!, folder)
      if (!existsSync(file)) return true
      const name = decodeURI(file.pathname)
      return heading !== undefined && !headingsOf(readText(name.slice(ROOT.length))).has(heading)
    })
    expect(missing.map(([link]) => link)).toEqual([])
  })

  it('lists every setting of the server with its default', () => {
    const operating = readText('docs/operating.md')
    for (const setting of SETTINGS) {
      const row = operating.split('\n').find((line) => line.startsWith(`| \`${setting.name}\` |`))
      expect(row, setting.name).toBeDefined()
      const { default: fallback } = setting
      if (typeof fallback === 'boolean') expect(row).toContain(fallback ? '| yes |' : '| no |')
      else expect(row?.replaceAll(',', '')).toContain(String(fallback ?? ''))
    }
  })

  it('lists every metric', async () => {
    const operating = readText('docs/operating.md')
    const { body } = await createMetrics(new Map()).expose()
    const names = [...body.matchAll(/^# TYPE (cairn_\w+)/gm)].map(([, name]) => name)
    expect(names.length).toBeGreaterThan(8)
    expect(names.filter((name) => !operating.includes(`\`${name}\``))).toEqual([])
  })

  it('lists every route', () => {
    const readme = readText('README.md')
    const { paths } = JSON.parse(readText('spec/openapi.json')) as { paths: object }
    const missing = Object.keys(paths).filter((path) => {
      const name = path.replace(/\{.*/, '').replace('/ct/v1/', '')
      return !readme.includes(name)
    })
    expect(missing).toEqual([])
  })

  it('lists every command', () => {
    const help = readText('src/cli/main.ts').matchAll(/^ {2}(\w+): \{\s*summary:/gm)
    const names = [...help].map(([, name]) => name)
    expect(names.length).toBeGreaterThan(5)
    for (const name of names) expect(readText('README.md')).toContain(`| \`cairn ${name}`)
  })
})

/** The anchors of a document's headings, as they are made on the usual sites. */
function headingsOf(markdown: string): Set<string> {
  return new Set(
    [...markdown.matchAll(/^#+ (.*)$/gm)].map(
      ([, text]) =>
        `#${text!
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-')}`,
    ),
  )
}
