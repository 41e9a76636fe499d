/** The documents against the code: links, tables and catalogues. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { exitForError } from '../src/cli/exit.ts'
import { configure as configureMonitor } from '../src/cli/monitor.ts'
import { withScope } from '../src/cli/scope-flags.ts'
import { configure as configureToken } from '../src/cli/token.ts'
import { configure as configureWitness } from '../src/cli/witness.ts'
import { CairnError, type CairnErrorCode } from '../src/errors.ts'
import { ATTRIBUTE_RULES } from '../src/formats/genai-attributes.ts'
import { MAX_OTLP_RECORDS, MAX_OTLP_SIZE } from '../src/formats/otlp-logs.ts'
import {
  DEFAULT_RETENTION_DOCUMENT,
  DEFAULT_RETENTION_TABLE,
} from '../src/formats/retention-table.ts'
import { formatVkey } from '../src/formats/vkey.ts'
import { createMetrics } from '../src/http/metrics.ts'
import { type ProblemCode, problem } from '../src/http/problem.ts'
import { witnessMetrics } from '../src/http/witness-metrics.ts'
import { SEVERITIES } from '../src/monitor/alert.ts'
import { loadConfig } from '../src/server/config.ts'
import { createMonitorMetrics } from '../src/server/monitor-metrics.ts'
import { OidcSettings } from '../src/server/oidc-settings.ts'
import { readRetentionFile } from '../src/server/retention-file.ts'
import { SETTINGS } from '../src/server/settings.ts'
import { TenantSettings } from '../src/server/tenants.ts'
import { readTokens } from '../src/server/token-file.ts'
import { authenticateBy } from '../src/server/tokens.ts'
import { loadWitnessConfig } from '../src/server/witness-config.ts'
import { WITNESS_SETTINGS } from '../src/server/witness-settings.ts'
import { LOG_KEY } from './support/example-log.ts'
import { filesBelow, ROOT, readText } from './support/sources.ts'
import { witnessPlace } from './witness/test-witness.ts'

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

  it.each(documents)('%s names no file of ours that is missing', (path) => {
    const named = readText(path).matchAll(/`((?:src|test|bench|spec|deploy)\/[\w./-]+)`/g)
    const missing = [...named].filter(([, file]) => !existsSync(`${ROOT}${file}`))
    expect(missing.map(([, file]) => file)).toEqual([])
  })

  it.each([
    ['the server', 'docs/operating.md', SETTINGS],
    ['a witness', 'docs/witness.md', WITNESS_SETTINGS.settings],
  ])('lists every setting of %s with its default', (_, path, settings) => {
    const document = readText(path)
    for (const setting of settings) {
      const row = document.split('\n').find((line) => line.startsWith(`| \`${setting.name}\` |`))
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

  it('lists every flag of a monitor, every alert with its severity, and every metric', async () => {
    const document = readText('docs/monitor.md')
    const command = new Command()
    configureMonitor(command)
    const flags = command.options.map(({ long }) => `| \`${long}\` |`)
    expect(flags.length).toBeGreaterThan(8)
    const alerts = Object.entries(SEVERITIES).map(
      ([kind, severity]) => `| \`${kind}\` | ${severity} |`,
    )
    const { body } = await createMonitorMetrics().expose()
    const metrics = [...body.matchAll(/^# TYPE (cairn_\w+)/gm)].map(([, name]) => `| \`${name}\` |`)
    expect(metrics.length).toBeGreaterThan(8)
    const rows = document.split('\n').filter((line) => line.startsWith('| `'))
    const starts = [...flags, ...alerts, ...metrics]
    expect(starts.filter((start) => !rows.some((row) => row.startsWith(start)))).toEqual([])
  })

  it('lists every metric of a witness', async () => {
    const place = await witnessPlace()
    try {
      const { body } = await witnessMetrics(await place.open()).expose()
      const names = [...body.matchAll(/^# TYPE (cairn_\w+)/gm)].map(([, name]) => name)
      expect(names.length).toBeGreaterThan(8)
      const document = readText('docs/witness.md')
      expect(names.filter((name) => !document.includes(`\`${name}\``))).toEqual([])
    } finally {
      await place.remove()
    }
  })

  it('has a configuration of a witness that works', async () => {
    const place = await mkdtemp(join(tmpdir(), 'cairn-docs-'))
    try {
      const file = join(place, 'witness.yaml')
      const vkeyFile = join(place, 'bank.vkey')
      await writeFile(vkeyFile, `${formatVkey(LOG_KEY.vkey)}\n`)
      const example = exampleOf('docs/witness.md', 'yaml', 'public-url:')
      await writeFile(file, example.replace('/etc/cairn/bank.vkey', vkeyFile))
      const config = await loadWitnessConfig({ flags: { config: file }, env: {} })
      expect(config).toMatchObject({ name: 'witness.example.net', port: 7962 })
      expect([...config.logs.keys()]).toEqual([LOG_KEY.vkey.name, 'log.example.org/audit'])
    } finally {
      await rm(place, { recursive: true })
    }
  })

  it('says which attributes have names of our own, and configures a collector in YAML', () => {
    const document = readText('docs/opentelemetry.md')
    const own = ATTRIBUTE_RULES.map(([name]) => name).filter((name) => name.startsWith('cairn.'))
    const named = [...document.matchAll(/`(cairn\.\w+)`/g)].map(([, name]) => name)
    expect(new Set(named)).toEqual(new Set([...own, 'cairn.type']))
    expect(document).toContain(`${MAX_OTLP_SIZE / 2 ** 20} MiB`)
    expect(document).toContain(`${MAX_OTLP_RECORDS.toLocaleString('en')} log records`)
    const collector = parseYaml(exampleOf('docs/opentelemetry.md', 'yaml', 'exporters:'))
    const { receivers, processors, exporters } = collector.service.pipelines['logs/audit']
    for (const name of receivers) expect(collector.receivers).toHaveProperty([name])
    for (const name of processors) expect(collector.processors).toHaveProperty([name])
    for (const name of exporters) expect(collector.exporters).toHaveProperty([name])
  })

  it('has configurations of tenants and of an issuer that work', async () => {
    const place = await mkdtemp(join(tmpdir(), 'cairn-docs-'))
    try {
      const file = join(place, 'cairn.yaml')
      const parts = ['tenants:', 'oidc:'].map((text) => exampleOf('docs/access.md', 'yaml', text))
      await writeFile(file, parts.join('').replace('data: /var/lib/cairn/log\n', ''))
      const { tenants, oidc } = await loadConfig({ flags: { config: file }, env: {} })
      expect(tenants?.get('acme')?.submitterKeys).toEqual(['/etc/cairn/acme.vkey'])
      expect(oidc).toMatchObject({ issuer: 'https://login.example.org', tenantClaim: 'org' })
    } finally {
      await rm(place, { recursive: true })
    }
  })

  it('lists every setting of tenants and of an issuer, and every command about tokens', () => {
    const document = readText('docs/access.md')
    const settings = [TenantSettings, OidcSettings].flatMap((schema) => namesIn(schema))
    expect(settings).toContain('roles-claim')
    for (const name of settings) expect(document).toContain(`| \`${name}\` |`)
    const program = new Command()
    configureToken(program)
    expect(program.commands).toHaveLength(3)
    for (const command of program.commands) {
      expect(document).toContain(`| \`cairn token ${command.name()} `.replace('list ', 'list'))
      for (const { long } of command.options) {
        if (!['--data', '--json'].includes(long!)) expect(document).toContain(`\`${long}\``)
      }
    }
  })

  it('has a configuration file that works', async () => {
    const place = await mkdtemp(join(tmpdir(), 'cairn-docs-'))
    try {
      const file = join(place, 'cairn.yaml')
      await writeFile(file, exampleOf('docs/operating.md', 'yaml', 'logs:'))
      const config = await loadConfig({ flags: { config: file }, env: {} })
      expect(config.data).toBe('/var/lib/cairn/log')
      expect([...config.logs.keys()]).toEqual(['payments'])
    } finally {
      await rm(place, { recursive: true })
    }
  })

  it('has a table of retention that works, and its digest by standard tools', async (context) => {
    const place = await mkdtemp(join(tmpdir(), 'cairn-docs-'))
    try {
      const file = join(place, 'table.yaml')
      await writeFile(file, exampleOf('docs/retention.md', 'yaml', 'regimes:'))
      const { jurisdictions } = await readRetentionFile(file)
      expect([...jurisdictions.keys()]).toEqual(['none', 'us'])
      if (spawnSync('jq', ['--version']).status !== 0) context.skip('jq is not here')
      await writeFile(join(place, 'table.json'), JSON.stringify(DEFAULT_RETENTION_DOCUMENT))
      const recipe = exampleOf('docs/retention.md', 'sh', 'jq')
      const digest = execFileSync('bash', ['-ec', recipe], { cwd: place, encoding: 'utf8' })
      expect(digest.split(' ')[0]).toBe(DEFAULT_RETENTION_TABLE.digest)
    } finally {
      await rm(place, { recursive: true })
    }
  })

  it('has a recipe for tokens that the server takes', async (context) => {
    if (spawnSync('openssl', ['version']).status !== 0) context.skip('openssl is not here')
    const place = await mkdtemp(join(tmpdir(), 'cairn-docs-'))
    try {
      const recipe = exampleOf('docs/operating.md', 'sh', 'TOKEN=').replaceAll('DIR', place)
      const token = execFileSync('bash', ['-ec', `${recipe}\nprintf %s "$TOKEN"`], {
        encoding: 'utf8',
      })
      const files = {
        adminTokenFile: join(place, 'admin.token'),
        tokensFile: join(place, 'tokens'),
      }
      const tokens = await readTokens(files)
      expect(tokens.map(({ name }) => name)).toEqual(['payments-app'])
      const authenticate = authenticateBy(tokens)
      expect(authenticate(`Bearer ${token}`)).toBeDefined()
      expect(authenticate(`Bearer ${token}x`)).toBeUndefined()
    } finally {
      await rm(place, { recursive: true })
    }
  })

  it('lists every flag that says which records are meant', () => {
    const command = new Command()
    withScope(command, { trace: false })
    const rows = readText('docs/records.md')
      .split('\n')
      .filter((line) => line.startsWith('| `--'))
      .join('\n')
    const flags = command.options.map(({ long }) => long!)
    expect(flags.length).toBeGreaterThan(10)
    expect(flags.filter((flag) => !rows.includes(`\`${flag}\``))).toEqual([])
  })

  it('lists every route', () => {
    const document = readText('docs/http.md')
    const { paths } = JSON.parse(readText('spec/openapi.json')) as { paths: object }
    const missing = Object.keys(paths).filter((path) => {
      const name = path.replace(/\{.*/, '').replace('/ct/v1/', '')
      return !document.includes(name)
    })
    expect(missing).toEqual([])
  })

  it('lists every route of a witness', () => {
    const document = readText('docs/witness.md')
    const { paths } = JSON.parse(readText('spec/openapi-witness.json')) as { paths: object }
    const missing = Object.keys(paths).filter((path) => {
      const written = path.replace('{origin_hash}', '<origin hash>').replace('{id}', '<id>')
      return !document.includes(`${written}\``)
    })
    expect(missing).toEqual([])
  })

  it('lists every command that talks to a witness', () => {
    const program = new Command()
    configureWitness(program)
    const names = program.commands.map((command) => command.name())
    expect(names).toEqual(['add', 'remove', 'list', 'conflicts'])
    for (const name of names) {
      expect(readText('docs/witness.md')).toContain(`| \`cairn witness ${name}`)
    }
  })

  it('lists every command', () => {
    const help = readText('src/cli/program.ts').matchAll(/^ {2}(\w+): \{\s*summary:/gm)
    const names = [...help].map(([, name]) => name)
    expect(names.length).toBeGreaterThan(5)
    for (const name of names) expect(readText('docs/commands.md')).toContain(`| \`cairn ${name}`)
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

/** The names of the settings in a part of a configuration file. */
function namesIn(schema: object): string[] {
  const { properties, patternProperties } = schema as Record<string, Record<string, object>>
  if (properties !== undefined) return Object.keys(properties)
  return Object.values(patternProperties ?? {}).flatMap(namesIn)
}

/** The example of a document in a language that has some text in it. */
function exampleOf(path: string, language: string, text: string): string {
  const fences = readText(path).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)
  const found = [...fences].find((fence) => fence[1] === language && fence[2]!.includes(text))
  if (found === undefined) throw new Error(`${path} has no such example`)
  return found[2]!
}
