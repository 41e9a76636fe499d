import { mkdtempSync, rmSync } from 'node:fs'
import { cp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { fromUtf8 } from '../../src/bytes.ts'
import { directorySource } from '../../src/cli/directory-source.ts'
import { auditLog } from '../../src/client/audit-log.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { hasSharedVectors, sharedBytes } from '../support/shared-vectors.ts'
import { cairn } from './run.ts'

/** The key of Tessera's test log. */
const VKEY = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
const VECTORS = new URL('../../../shared/vectors/', import.meta.url)
const tessera = fileURLToPath(new URL('transparency-dev-tessera/log', VECTORS))

describe.skipIf(!hasSharedVectors)('a folder written by Tessera', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-tessera-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each(Array.from({ length: 16 }, (_, size) => size))(
    'passes the audit at size %i',
    async (size) => {
      const verdict = await auditLog({
        source: directorySource(tessera),
        checkpoint: sharedBytes(`transparency-dev-tessera/log/checkpoint.${size}`),
        saved: sharedBytes(`transparency-dev-tessera/log/checkpoint.${Math.floor(size / 2)}`),
        trust: { logKeys: [parseVkey(VKEY)] },
      })
      expect(verdict).toMatchObject({ ok: true, size, faultCount: 0 })
    },
  )

  it('is audited by the command', async () => {
    const run = await cairn(['audit', tessera, '--vkey', VKEY])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain('example.com/log/testdata, 15 leaves')
  })

  it('fails the audit when a bundle or a tile is gone', async () => {
    const copy = join(folder, 'log')
    await cp(tessera, copy, { recursive: true })
    await rm(join(copy, 'tile/entries/000.p/15'))
    const run = await cairn(['audit', copy, '--vkey', VKEY, '--json'])
    expect(run).toMatchObject({ code: 1, stderr: '' })
    expect(JSON.parse(run.stdout)).toMatchObject({
      ok: false,
      faults: [{ kind: 'bundle', name: 'bundle 0' }],
    })
  })

  it.each(['idx0-size1', 'idx0-size15', 'idx3-size15', 'idx3-size15-extra', 'idx14-size15'])(
    'has the receipt %s, with the cosignatures that the policies demand',
    async (name) => {
      const file = fileURLToPath(new URL(`generated/${name}.tlog-proof`, VECTORS))
      const leaves = JSON.parse(fromUtf8(sharedBytes('generated/leaves.json'))) as string[]
      await writeFile(join(folder, 'leaf'), leaves[Number(/^idx(\d+)/.exec(name)![1])]!)
      for (const policy of ['policy-2of3', 'policy-nested', 'policy-none']) {
        const path = fileURLToPath(new URL(`generated/${policy}.txt`, VECTORS))
        const args = ['verify', file, '--policy', path, '--leaf', join(folder, 'leaf')]
        expect(await cairn(args), policy).toMatchObject({ code: 0, stderr: '' })
      }
    },
  )
})
