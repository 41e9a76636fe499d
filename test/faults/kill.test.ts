/**
 * kill -9 at any moment, again and again, under load: nothing acknowledged is missing, no index is given twice, and no
 * two heads disagree. TEST_KILL_ROUNDS sets how often; a few times in a normal run, more in continuous integration.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { equal, fromBase64, toHex, utf8 } from '../../src/bytes.ts'
import { decodeBundle } from '../../src/formats/bundle.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { bundlePath } from '../../src/formats/tile.ts'
import { parseVkey, type VerifierKey } from '../../src/formats/vkey.ts'
import { verifyConsistency } from '../../src/merkle/consistency.ts'
import { Frontier } from '../../src/merkle/frontier.ts'
import { hashLeaf, type NodeHash, type RootHash } from '../../src/merkle/hash.ts'
import type { TreeSize } from '../../src/merkle/position.ts'
import { freePort, type ServeProcess, startServe } from '../support/cairn-process.ts'

const ROUNDS = Number(process.env.TEST_KILL_ROUNDS ?? 5)
const CLIENTS = 24

interface Receipt {
  index: number
  checkpoint: string
}

it(`keeps every promise through ${ROUNDS} kills`, {
  timeout: 30_000 + ROUNDS * 8_000,
}, async () => {
  const place = await mkdtemp(join(tmpdir(), 'cairn-kill-'))
  const data = join(place, 'log')
  const acknowledged = new Map<number, string>()
  const heads = new Map<number, RootHash>()
  let keys: VerifierKey[] = []
  let serial = 0

  const see = (checkpoint: string): void => {
    const { size, root } = openCheckpoint(utf8(checkpoint), keys).checkpoint
    const before = heads.get(size)
    if (before !== undefined) expect(toHex(before), `two heads of size ${size}`).toBe(toHex(root))
    heads.set(size, root)
  }

  /** Submits until the server is gone; what was answered counts. */
  const client = async (server: ServeProcess): Promise<void> => {
    for (;;) {
      const leaf = `leaf ${serial++}`
      try {
        const answer = await fetch(`${server.url}/v1/leaves`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/octet-stream' },
          body: leaf,
        })
        const receipt = (await answer.json()) as Receipt
        expect(answer.status).toBe(201)
        expect(acknowledged.has(receipt.index), `index ${receipt.index} was given twice`).toBe(
          false,
        )
        acknowledged.set(receipt.index, leaf)
        see(receipt.checkpoint)
        if (serial % 7 === 0) see(await (await fetch(`${server.url}/checkpoint`)).text())
      } catch (error) {
        if (error instanceof TypeError || error instanceof SyntaxError) return
        throw error
      }
    }
  }

  let server: ServeProcess | undefined
  try {
    for (let round = 0; round < ROUNDS; round++) {
      server = await startServe(data, await freePort(), ['--open'])
      keys = (await readFile(join(data, 'log.vkey'), 'utf8')).trim().split('\n').map(parseVkey)
      const running = server
      const clients = Promise.all(Array.from({ length: CLIENTS }, () => client(running)))
      await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 700))
      await server.kill()
      await clients
    }

    server = await startServe(data, await freePort(), ['--open'])
    const checkpoint = await (await fetch(`${server.url}/checkpoint`)).text()
    see(checkpoint)
    const { size, root } = openCheckpoint(utf8(checkpoint), keys).checkpoint
    expect(size).toBeGreaterThanOrEqual(acknowledged.size)

    const frontier = new Frontier()
    for (let bundle = 0; bundle * 256 < size; bundle++) {
      const width = Math.min(256, size - bundle * 256)
      const framed = await (await fetch(`${server.url}/${bundlePath(bundle, width)}`)).arrayBuffer()
      for (const [i, entry] of decodeBundle(new Uint8Array(framed), width).entries()) {
        frontier.append(hashLeaf(entry))
        const kept = acknowledged.get(bundle * 256 + i)
        if (kept !== undefined)
          expect(equal(entry, utf8(kept)), `entry ${bundle * 256 + i}`).toBe(true)
      }
    }
    expect(toHex(frontier.root())).toBe(toHex(root))
    expect(Math.max(...acknowledged.keys())).toBeLessThan(size)

    for (const [older, olderRoot] of heads) {
      if (older === 0) continue
      const answer = await fetch(`${server.url}/v1/proofs/consistency/${older}/${size}`)
      const { consistency_path: path } = (await answer.json()) as { consistency_path: string[] }
      const proof = path.map((hash) => fromBase64(hash) as NodeHash)
      verifyConsistency(older as TreeSize, size, proof, olderRoot, root)
    }
    console.log(
      `${acknowledged.size} leaves acknowledged, ${heads.size} heads seen, ${ROUNDS} kills`,
    )
    expect(await server.stop()).toBe(0)
    server = undefined
  } finally {
    await server?.kill()
    await rm(place, { recursive: true, force: true })
  }
})
