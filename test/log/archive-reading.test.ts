/** The archive is the log: whoever has it needs no server of ours. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { openTarget } from '../../src/cli/audit-target.ts'
import { auditLog } from '../../src/client/audit-log.ts'
import { createLogClient } from '../../src/client/log-client.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { archiveTileSource } from '../../src/log/archive-source.ts'
import { hashLeaf } from '../../src/merkle/hash.ts'
import { verifyInclusion } from '../../src/merkle/inclusion.ts'
import { leafIndex, treeSize } from '../../src/merkle/position.ts'
import { openObjectDirectory } from '../../src/storage/object-directory.ts'
import { inclusionProof } from '../../src/tiles/proofs.ts'
import { verifiedSource } from '../../src/tiles/verified-source.ts'
import { afterThisTest } from '../support/endings.ts'
import { finishedArchive } from './archived-log.ts'

const SIZE = 66_000

/** A web server that knows nothing of logs. */
async function fileServer(directory: string): Promise<string> {
  const server = createServer((request, response) => {
    readFile(join(directory, request.url ?? '')).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterThisTest(() => new Promise((resolve) => server.close(resolve)))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('an archive, with every server down', { timeout: 60_000 }, () => {
  it('is audited clean from a plain web server, from its directory, and by cairn audit', async () => {
    const { test, directory } = await finishedArchive(SIZE, [300])
    await test.close()
    const trust = { logKeys: test.log.vkeys.map(parseVkey) }
    const url = await fileServer(directory)

    const client = createLogClient({ url, retries: 0 })
    const served = await auditLog({
      source: client.tileSource(),
      checkpoint: await client.checkpoint(),
      trust,
    })
    expect(served.checks.filter(({ status }) => status === 'failed')).toEqual([])
    expect(served).toMatchObject({ ok: true, size: SIZE, faultCount: 0 })

    const signal = new AbortController().signal
    const target = await openTarget(`file://${directory}`, { vkey: [...test.log.vkeys] }, signal)
    // With what it had archived before as another head of the same tree.
    const earlier = await readFile(join(directory, 'heads/300'))
    const local = await auditLog({ ...target, checkpoints: [{ name: '300', note: earlier }] })
    expect(local).toMatchObject({ ok: true, size: SIZE })
    await expect(openTarget('file://elsewhere/x', {}, signal)).rejects.toThrow('file:///FOLDER')
  })

  it('proves a leaf by hashes alone', async () => {
    const { test, directory } = await finishedArchive(700, [300])
    await test.close()
    const objects = await openObjectDirectory(directory)
    const note = (await objects.get('checkpoint'))!.bytes
    const { checkpoint } = openCheckpoint(note, test.log.vkeys.map(parseVkey))
    const source = archiveTileSource(objects)
    const verified = verifiedSource(source, checkpoint)
    const proof = await inclusionProof(verified, leafIndex(299), checkpoint.size)
    const leaf = hashLeaf(utf8('record 299'))
    verifyInclusion(leafIndex(299), treeSize(700), leaf, proof, checkpoint.root)
  })

  it('has every tree that it once showed', async () => {
    const sizes = [1, 5, 200, 255, 256, 257, 300, 511]
    const { test, directory } = await finishedArchive(700, sizes, { settleMs: 0 })
    await test.close()
    const trust = { logKeys: test.log.vkeys.map(parseVkey) }
    const source = archiveTileSource(await openObjectDirectory(directory))
    for (const size of sizes) {
      const checkpoint = await readFile(join(directory, `heads/${size}`))
      expect(await auditLog({ source, checkpoint, trust })).toMatchObject({ ok: true, size })
    }
  })
})
