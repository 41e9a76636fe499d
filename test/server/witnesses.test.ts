/** What a log makes of its policy, before and after it touches any data. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cosigningKey, ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { loadConfig } from '../../src/server/config.ts'
import type { ServerEvent } from '../../src/server/events.ts'
import { type RunningServer, serve } from '../../src/server/serve.ts'

const A = formatVkey(cosigningKey('a.example', randomBytes(32), 'ed25519-cosignature').vkey)
const B = formatVkey(cosigningKey('b.example', randomBytes(32), 'ml-dsa-44').vkey)
const OTHER_LOG = formatVkey(ed25519SigningKey('other.example/log', randomBytes(32)).vkey)

let place: string
let events: ServerEvent[]
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'cairn-policy-'))
  events = []
})
afterEach(() => rm(place, { recursive: true, force: true }))

async function start(policy: string | Uint8Array): Promise<RunningServer> {
  const file = join(place, 'policy.txt')
  await writeFile(file, policy)
  const flags = { data: join(place, 'data'), port: 0, open: true, policy: file }
  const config = await loadConfig({ flags, env: {} })
  return serve(config, { onEvent: (event) => events.push(event) })
}

describe('the policy of a log', () => {
  it.each([
    ['nothing', '', /no quorum line/],
    ['bytes', Uint8Array.of(0, 1, 2), /line 1: octet 0x00/],
    [
      'an address that is none',
      `witness a ${A} a.example\nquorum a\n`,
      /not the address of a witness/,
    ],
    ['another scheme', `witness a ${A} ftp://a.example\nquorum a\n`, /begins with http/],
    ['a password', `witness a ${A} http://u:p@a.example\nquorum none\n`, /no user, query/],
    ['a quorum without an address', `witness a ${A}\nquorum a\n`, /quorum a of .* cannot be met/],
    [
      'a quorum that needs one without',
      `witness a ${A} http://127.0.0.1:9\nwitness b ${B}\ngroup g all a b\nquorum g\n`,
      /quorum g of .* cannot be met/,
    ],
  ])('is refused with %s, before anything is made', async (_, policy, message) => {
    await expect(start(policy)).rejects.toThrow(expect.objectContaining({ code: 'USAGE' }))
    await expect(start(policy)).rejects.toThrow(message)
    expect(existsSync(join(place, 'data'))).toBe(false)
  })

  it('is refused when it is of other logs, with the line that is missing', async () => {
    await expect(start(`log ${OTHER_LOG}\nquorum none\n`)).rejects.toThrow(
      /lists logs, but no key of this one; add the line: log cairn\.local\//,
    )
  })

  it('may name witnesses that cannot be asked, and asks an address once', async () => {
    const same = 'http://127.0.0.1:9'
    const c = formatVkey(cosigningKey('c.example', randomBytes(32), 'ed25519-cosignature').vkey)
    const server = await start(
      `witness a ${A} ${same}\nwitness b ${B} ${same}/\nwitness c ${c}\nquorum none\n`,
    )
    try {
      const answer = await fetch(`${server.url}/v1/witnesses`)
      const { quorum, witnesses } = (await answer.json()) as {
        quorum: null
        witnesses: readonly { names: readonly string[] }[]
      }
      expect(quorum).toBeNull()
      expect(witnesses.map(({ names }) => names)).toEqual([['a', 'b']])
    } finally {
      await server.close()
    }
    expect(events).toContainEqual(expect.objectContaining({ event: 'listening', witnesses: 1 }))
    expect(events.filter(({ event }) => event === 'publication-failed')).toEqual([])
  })
})
