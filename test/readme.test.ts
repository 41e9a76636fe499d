/** Every example in the README, and in what was too long for it, run or compiled as it stands there. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT, readText } from './support/sources.ts'

const PAGES = ['README.md', 'docs/http.md', 'docs/typescript.md']
const COMMAND = join(ROOT, 'dist/cli/main.js')
const built = existsSync(COMMAND)
if (!built) console.warn('dist is not here: the examples are not run; run npm run build')
const hasCurl = spawnSync('curl', ['--version']).status === 0
if (!hasCurl) console.warn('curl is not here: the examples with it are not run')

interface Example {
  readonly language: string
  readonly text: string
}

function examplesIn(markdown: string): Example[] {
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }))
}

const examples = PAGES.flatMap((path) => examplesIn(readText(path)))
const typescript = examples.filter(({ language }) => language === 'ts')
const shell = examples.filter(({ language }) => language === 'sh').map(({ text }) => text)
const [start, ...commands] = shell.filter((text) => !text.startsWith('npm '))

/** A script in which a line that ends in `# exit N` has to. */
function script(text: string): string {
  const lines = text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => {
      const [, command, code] = /^(.*?)\s*# exit (\d+)$/.exec(line) ?? []
      return command === undefined ? line : `${command} && exit 99 || [ $? = ${code} ]`
    })
  return `set -euo pipefail\n${lines.join('\n')}`
}

describe.runIf(built)('the examples of the README', () => {
  const place = mkdtempSync(join(tmpdir(), 'cairn-readme-'))
  let server: ChildProcess
  let port: number
  let env: NodeJS.ProcessEnv

  beforeAll(async () => {
    port = await freePort()
    mkdirSync(join(place, 'bin'))
    writeFileSync(
      join(place, 'bin/cairn'),
      `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} ${JSON.stringify(COMMAND)} "$@"\n`,
    )
    chmodSync(join(place, 'bin/cairn'), 0o755)
    mkdirSync(join(place, 'node_modules'))
    symlinkSync(ROOT, join(place, 'node_modules/cairn-log'))
    env = {
      PATH: `${join(place, 'bin')}:${process.env.PATH}`,
      HOME: process.env.HOME,
      CAIRN_PORT: String(port),
      CAIRN_URL: `http://127.0.0.1:${port}`,
    }
    server = spawn('bash', ['-c', `exec ${here(start!)}`], { cwd: place, env, stdio: 'ignore' })
    await answering()
  })

  afterAll(async () => {
    if (server.exitCode === null) {
      server.kill('SIGTERM')
      await once(server, 'exit')
    }
    rmSync(place, { recursive: true, force: true })
  })

  /** An example for the port that is free here. */
  function here(text: string): string {
    return text.trim().replaceAll('6962', String(port))
  }

  async function answering(): Promise<void> {
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined)
      if (answer?.ok === true) return
      if (server.exitCode !== null) throw new Error(`${start} ended with ${server.exitCode}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  it('begin with a server', () => {
    expect(start).toMatch(/^cairn serve /)
    expect(commands.length).toBeGreaterThan(3)
  })

  it('show what the demo prints', () => {
    const transcript = examples.find(({ language }) => language === 'text')!.text
    const run = spawnSync('cairn', ['demo'], { cwd: place, env, encoding: 'utf8' })
    expect(run.status, run.stderr).toBe(0)
    const printed = flat(run.stdout)
    for (const paragraph of transcript.split(/\n(?= *(?:[^ ]|\d+) )/)) {
      expect(printed).toContain(flat(paragraph))
    }
  })

  // In their order: later ones build on what earlier ones made.
  it.each(commands.map((text) => [text.split('\n')[0], text] as const))('%s', (_first, text) => {
    if (text.includes('curl') && !hasCurl) return
    const run = spawnSync('bash', ['-c', script(here(text))], { cwd: place, env, encoding: 'utf8' })
    expect(run.status, `${run.stdout}\n${run.stderr}`).toBe(0)
  })

  it('compile as they stand, in strict TypeScript', () => {
    typescript.forEach(({ text }, i) => {
      writeFileSync(join(place, `example-${i}.mts`), text)
    })
    writeFileSync(
      join(place, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'ES2023',
          module: 'NodeNext',
          strict: true,
          noUncheckedIndexedAccess: true,
          exactOptionalPropertyTypes: true,
          outDir: 'built',
          types: ['node'],
          typeRoots: [join(ROOT, 'node_modules/@types')],
        },
        include: ['example-*.mts'],
      }),
    )
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const run = spawnSync(process.execPath, [tsc, '-p', place], { encoding: 'utf8' })
    expect(run.stdout + run.stderr).toBe('')
  })

  it.each(typescript.map(({ text }, i) => [i, /cairn-log\/\w+/.exec(text)?.[0]] as const))(
    'run when compiled: %i, with %s',
    (i) => {
      const file = join(place, `built/example-${i}.mjs`)
      writeFileSync(file, readFileSync(file, 'utf8').replaceAll('6962', String(port)))
      const run = spawnSync(process.execPath, [file], { cwd: place, encoding: 'utf8' })
      expect(run.status, `${run.stdout}\n${run.stderr}`).toBe(0)
      expect(run.stdout).not.toBe('')
    },
  )
})

/** Text without its line breaks and its times, which differ from run to run. */
function flat(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/\d+ ms/g, '… ms')
    .trim()
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
