/** A log in memory behind a real HTTP server, quick to make and to fork: tlog-tiles straight from RFC 6962. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { utf8 } from '../../src/bytes.ts'
import { encodeBundle } from '../../src/formats/bundle.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatNote } from '../../src/formats/note.ts'
import { type CosigningKey, ed25519SigningKey } from '../../src/formats/signing-key.ts'
import { parseTilePath } from '../../src/formats/tile.ts'
import type { VerifierKey } from '../../src/formats/vkey.ts'
import { rootHash } from '../../src/merkle/hash.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { type NaiveTree, naiveLeaf, naiveTree } from '../merkle/naive.ts'

export interface TreeLog {
  readonly origin: string
  readonly url: string
  readonly keys: readonly VerifierKey[]
  readonly size: number
  /** Appends leaves `word 0`, `word 1`, … by their index, and shows a head with them. */
  append(count: number, word?: string): void
  /** The head of the first `size` leaves, with the cosignatures of some witnesses as of a time in seconds. */
  note(size?: number, witnesses?: readonly CosigningKey[], seconds?: number): string
  bundle(bundle: number, width: number): Uint8Array
  tile(level: number, tile: number, width: number): Uint8Array
  /** Another log of the same key and leaves, which goes its own way from here. */
  fork(): Promise<TreeLog>
  close(): Promise<void>
}

export async function treeLog(
  origin = 'tree.example/log',
  leaves: Uint8Array[] = [],
): Promise<TreeLog> {
  const key = ed25519SigningKey(origin, utf8(origin.padEnd(32).slice(0, 32)))
  const hashes = leaves.map(naiveLeaf)
  const tree: NaiveTree = naiveTree((index) => hashes[index]!)

  const server = createServer((request, response) => {
    const path = (request.url ?? '/').slice(1)
    try {
      const bytes = path === 'checkpoint' ? utf8(log.note()) : bytesAt(path)
      response.writeHead(200).end(bytes)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  function bytesAt(path: string): Uint8Array {
    const named = parseTilePath(path)
    return named.kind === 'bundle'
      ? log.bundle(named.bundle, named.width)
      : log.tile(named.level, named.tile, named.width)
  }

  const log: TreeLog = {
    origin,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys: [key.vkey],
    get size() {
      return leaves.length
    },
    append(count, word = 'leaf') {
      for (let i = 0; i < count; i++) leaves.push(utf8(`${word} ${leaves.length}`))
      hashes.push(...leaves.slice(hashes.length).map(naiveLeaf))
    },
    note(size = leaves.length, witnesses = [], seconds = 0) {
      const root = rootHash(tree.root(0, size))
      const text = formatCheckpoint({ origin, size: treeSize(size), root, extensions: [] })
      const lines = witnesses.map((witness) => witness.cosign(text, seconds))
      return formatNote({ text, signatures: [key.sign(text), ...lines] })
    },
    bundle(bundle, width) {
      const first = bundle * 256
      if (first + width > leaves.length) throw new Error('beyond the tree')
      return encodeBundle(leaves.slice(first, first + width))
    },
    tile(level, tile, width) {
      const span = 256 ** level
      if ((tile * 256 + width) * span > leaves.length) throw new Error('beyond the tree')
      const bytes = new Uint8Array(width * 32)
      for (let i = 0; i < width; i++) {
        const from = (tile * 256 + i) * span
        bytes.set(tree.root(from, from + span), i * 32)
      }
      return bytes
    },
    fork: () => treeLog(origin, [...leaves]),
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return log
}
