/** The guides for those who submit, witness and regulate: each is run, in its order, in a folder of its own. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cairn, type Run, type Served, served } from './cli/run.ts'
import { CLI } from './support/cairn-process.ts'
import { readText } from './support/sources.ts'
import {
  difference,
  inThisRun,
  type Meanings,
  type Step,
  stepsOf,
  wordsOf,
} from './support/transcript.ts'

/** Where the documents have servers listen, which here take whatever port is free. */
const PORTS: Readonly<Record<string, string>> = { serve: '6962', witness: '7962' }
const HOME = '/home/ada'

describe.each(['docs/for-submitters.md', 'docs/for-witnesses.md', 'docs/for-regulators.md'])(
  '%s',
  (path) => {
    const steps = stepsOf(readText(path))
    const servers = new Map<string, Served>()
    const meanings: Meanings = new Map()
    let place: string

    beforeAll(() => {
      place = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-transcript-')))
      mkdirSync(join(place, 'bin'))
      const command = join(place, 'bin/cairn')
      writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`)
      chmodSync(command, 0o755)
      mkdirSync(join(place, 'ada'))
    })

    afterAll(async () => {
      await Promise.all([...servers.values()].map((server) => server.stop()))
      rmSync(place, { recursive: true, force: true })
    })

    it('has commands', () => {
      expect(steps.length).toBeGreaterThan(4)
    })

    // In their order: later ones build on what earlier ones made.
    it.each(steps.map((step) => [step.command.split('\n')[0], step] as const))(
      '$ %s',
      async (_, step) => {
        if (step.stops !== undefined) await servers.get(step.stops)?.stop()
        const words = wordsOf(here(step.command))
        const kind = words === undefined || step.code !== 0 ? undefined : serverOf(words)
        if (kind !== undefined) await start(kind, words!.slice(2), step)
        else check(step, await whenKnown(() => run(step, words)))
      },
    )

    /** A command for the ports and ids of this run. */
    function here(command: string): string {
      let text = inThisRun(command, meanings)
      for (const [kind, { url }] of servers) {
        text = text.replaceAll(`127.0.0.1:${PORTS[kind]}`, new URL(url).host)
      }
      return text
    }

    /** What was printed, as the document has it. */
    function there(printed: string): string {
      let text = printed.replaceAll(join(place, 'ada'), HOME)
      for (const [kind, { url }] of servers) {
        text = text.replaceAll(new URL(url).host, `127.0.0.1:${PORTS[kind]}`)
      }
      return text
    }

    function environment(): Record<string, string> {
      const log = servers.get('serve')
      return log === undefined ? {} : { CAIRN_URL: log.url }
    }

    async function start(kind: string, args: readonly string[], step: Step): Promise<void> {
      const server = await served(args, { cwd: join(place, 'ada') }, kind)
      servers.set(kind, server)
      const wrong = () => difference(step.printed, there(server.stdout()), meanings)
      await expect.poll(wrong, { timeout: 20_000 }).toBeUndefined()
    }

    function run(step: Step, words: readonly string[] | undefined): Run | Promise<Run> {
      const cwd = join(place, 'ada')
      if (words?.[0] === 'cairn') return cairn(words.slice(1), { cwd, env: environment() })
      const { status, stdout, stderr } = spawnSync('sh', ['-c', here(step.command)], {
        cwd,
        env: { ...environment(), PATH: `${join(place, 'bin')}:${process.env.PATH}` },
        encoding: 'utf8',
      })
      return { code: status, stdout, stderr }
    }

    function check(step: Step, { code, stdout, stderr }: Run): void {
      expect(difference(step.printed, there(stdout + stderr), meanings)).toBeUndefined()
      expect(code).toBe(step.code)
    }
  },
)

describe('what holds a transcript against what was printed', () => {
  const id = '01a20029-882f-7000-8028-5944a9dc9f63'
  const other = '01a20026-5978-7000-a8e9-200a87766316'

  it('takes other ids, times and line breaks', () => {
    const meanings: Meanings = new Map()
    expect(difference(`entry 1: ${id}, 3 ms`, `entry 1:\n  ${other}, 12 ms\n`, meanings)).toBe(
      undefined,
    )
    expect(inThisRun(`cairn grant show ${id}`, meanings)).toBe(`cairn grant show ${other}`)
  })

  it('takes no other word, nothing less and nothing more', () => {
    for (const printed of ['verified: 3 records', 'verified: 2', 'verified: 2 records\nwrong']) {
      expect(difference('verified: 2 records', printed, new Map()), printed).toContain(printed)
    }
    expect(difference('a … z', 'a b c', new Map())).toBeDefined()
  })

  it('wants the same id wherever the document has the same', () => {
    expect(difference(`${id} ${id}`, `${other} ${id}`, new Map())).toContain('and here')
  })
})

/** What a command comes to once the log knows the token, which it looks for twice a second. */
async function whenKnown(run: () => Run | Promise<Run>): Promise<Run> {
  for (let attempt = 1; ; attempt++) {
    const result = await run()
    if (attempt === 30 || !result.stderr.includes('not one that is known')) return result
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** What a command serves, if it does not end by itself. */
function serverOf([program, command, next]: readonly string[]): string | undefined {
  if (program !== 'cairn' || command === undefined || PORTS[command] === undefined) return undefined
  return next?.startsWith('--') === true ? command : undefined
}
