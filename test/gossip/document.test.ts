/** docs/gossip.md against the code: its configuration, its tables, and its recipes for regulators. */
import { execFileSync } from 'node:child_process'
import { copyFile, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { sha256 } from '#sha256'
import { utf8 } from '../../src/bytes.ts'
import { formatTimeStampRequest, nonceFrom } from '../../src/formats/time-stamp.ts'
import { formatVkey } from '../../src/formats/vkey.ts'
import { loadConfig } from '../../src/server/config.ts'
import { GossipSettings } from '../../src/server/gossip-settings.ts'
import { CLI } from '../support/cairn-process.ts'
import { LOG_KEY } from '../support/example-log.ts'
import { hasOpenssl, opensslAuthority } from '../support/openssl-authority.ts'
import { readText } from '../support/sources.ts'
import { headAt, newFolder } from './heads.ts'

const DOCUMENT = readText('docs/gossip.md')

function fences(language: string): string[] {
  return [...DOCUMENT.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter((fence) => fence[1] === language)
    .map((fence) => fence[2]!)
}

describe('docs/gossip.md', () => {
  it('has a configuration that works, with a sink of each kind', async () => {
    const place = await newFolder()
    try {
      await writeFile(place.at('cairn.yaml'), fences('yaml')[0]!)
      const { gossip } = await loadConfig({ flags: { config: place.at('cairn.yaml') }, env: {} })
      expect(gossip?.map(({ kind }) => kind).sort()).toEqual(
        ['cairn-log', 'file', 'syslog', 'time-stamp-authority', 'webhook'].sort(),
      )
    } finally {
      await place.discard()
    }
  })

  it('lists every setting of every kind, and no other', () => {
    const { patternProperties } = GossipSettings as unknown as {
      patternProperties: Record<string, { properties: object }>
    }
    const [{ properties }] = Object.values(patternProperties) as [{ properties: object }]
    const cells = DOCUMENT.split('\n')
      .filter((line) => line.startsWith('|'))
      .flatMap((line) => line.split('|').slice(1, 3))
    const named = cells.flatMap((cell) =>
      [...cell.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name!),
    )
    const kinds = ['cairn-log', 'file', 'syslog', 'time-stamp-authority', 'webhook', 'false']
    const settings = [...new Set(named)].filter((name) => !kinds.includes(name))
    const known = Object.keys(properties).filter((name) => name !== 'kind')
    expect(settings.sort()).toEqual(known.sort())
  })

  it.runIf(hasOpenssl())('has recipes that verify a time-stamp', async () => {
    const authority = await opensslAuthority()
    const place = await newFolder()
    try {
      const data = utf8(headAt(7).checkpoint)
      const nonce = nonceFrom(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
      const stamp = await authority.reply(formatTimeStampRequest(sha256(data), nonce))
      await writeFile(place.at('1234-0a1b2c3d.checkpoint'), data)
      await writeFile(place.at('1234-0a1b2c3d.tsr'), stamp)
      await writeFile(place.at('log.vkey'), `${formatVkey(LOG_KEY.vkey)}\n`)
      await copyFile(authority.caFile, place.at('tsa-root.pem'))
      const [ours, standard] = fences('sh')
      const run = (script: string) =>
        execFileSync(
          'bash',
          ['-ec', `cairn() { '${process.execPath}' '${CLI}' "$@"; }\n${script}`],
          {
            cwd: place.path,
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'pipe'],
          },
        )
      expect(run(ours!)).toMatch(/verified: .* UTC/)
      expect(run(standard!)).toMatch(/Verification: OK\nTime stamp: /)
      const later = `-attime ${Math.floor(Date.now() / 1000)}`
      expect(run(standard!.split('\n')[0]!.concat(` ${later}`))).toMatch(/Verification: OK/)
    } finally {
      await authority.close()
      await place.discard()
    }
  })
})
