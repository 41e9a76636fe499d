/** Makes a journal wrong in one way, to see that the check finds it: `--break lose|duplicate|fork`. */
import { utf8 } from '../../../src/bytes.ts'
import { signHead } from '../../../src/log/sign-head.ts'
import type { LogSigner } from '../../../src/log/signer.ts'
import { Frontier } from '../../../src/merkle/frontier.ts'
import { hashLeaf } from '../../../src/merkle/hash.ts'
import type { Journal } from './journal.ts'

export const SABOTAGES = ['lose', 'duplicate', 'fork'] as const
export type Sabotage = (typeof SABOTAGES)[number]

export async function sabotage(what: Sabotage, journal: Journal, signer: LogSigner): Promise<void> {
  if (what === 'lose') {
    // As if the log had forgotten a leaf that it had given the next index.
    const next = Math.max(...journal.heads.map(({ size }) => size), journal.indices.length)
    journal.acknowledge(journal.indices.length, next + 1)
  } else if (what === 'duplicate') {
    const serial = journal.order[0]!
    journal.acknowledge(serial, journal.indices[serial]! + 1)
  } else {
    const other = new Frontier()
    other.append(hashLeaf(utf8('a leaf of another history')))
    journal.see(await signHead(signer, other.size, other.root()), 'a second history')
  }
}
