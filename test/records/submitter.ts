/**
 * A process that submits records and erases people until it is killed, and says what was acknowledged:
 * `node submitter.mjs DIRECTORY RUN`, once bundled. The keys of the log are in DIRECTORY/keys.json.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stdout } from 'node:process'
import type { LocalKeys } from '../../src/log/local-signer.ts'
import { caller, openRecordsAt, request } from './records-place.ts'

/** What a line of the output says. */
export type Said =
  | { readonly said: 'open'; readonly withdrawn: number }
  | {
      readonly said: 'accepted'
      readonly tenant: string
      readonly requests: readonly string[]
      readonly records: readonly { readonly id: string; readonly index: number }[]
    }
  | { readonly said: 'erasing' | 'erased'; readonly subject: string; readonly pseudonym: string }

export const TENANTS = ['acme', 'globex'] as const

function say(said: Said): void {
  stdout.write(`${JSON.stringify(said)}\n`)
}

export async function readKeys(directory: string): Promise<LocalKeys> {
  const keys = JSON.parse(await readFile(join(directory, 'keys.json'), 'utf8')) as {
    origin: string
    ed25519Seed: string
    mlDsaSeed: string
    treeHeadKey: string
  }
  return {
    ...keys,
    ed25519Seed: new Uint8Array(Buffer.from(keys.ed25519Seed, 'hex')),
    mlDsaSeed: new Uint8Array(Buffer.from(keys.mlDsaSeed, 'hex')),
  }
}

export function keysAsJson(keys: LocalKeys): string {
  return JSON.stringify({
    ...keys,
    ed25519Seed: Buffer.from(keys.ed25519Seed).toString('hex'),
    mlDsaSeed: Buffer.from(keys.mlDsaSeed).toString('hex'),
  })
}

export async function submitUntilKilled(
  directory: string,
  run: string,
  erasing: boolean,
): Promise<void> {
  const all = await openRecordsAt({ directory, keys: await readKeys(directory) })
  const [first] = all.events.filter((event) => event.event === 'withdrawn')
  say({ said: 'open', withdrawn: first?.event === 'withdrawn' ? first.batches : 0 })
  let n = 0
  const submit = async (lane: number): Promise<void> => {
    for (;;) {
      const tenant = TENANTS[lane % 2]!
      const numbers = Array.from({ length: 1 + ((lane * 7) % 23) }, () => n++)
      const requests = numbers.map((one) => `${run}-${one}`)
      const batch = numbers.map((one, i) => request(one, { request_id: requests[i]! }))
      const { records } = await all.records.submit(batch, caller(tenant))
      const accepted = records.map(({ id, index }) => ({ id, index }))
      say({ said: 'accepted', tenant, requests, records: accepted })
    }
  }
  const erase = async (): Promise<void> => {
    for (let round = 0; ; round = (round + 1) % 7) {
      const subject = `person-${round}@example.com`
      const pseudonym = await all.vault.pseudonym('acme', subject)
      say({ said: 'erasing', subject, pseudonym })
      await all.records.erase({ tenant: 'acme', subject, basis: 'Art. 17', by: caller() })
      say({ said: 'erased', subject, pseudonym })
    }
  }
  const lanes = Array.from({ length: 16 }, (_, lane) => submit(lane))
  await Promise.all(erasing ? [...lanes, erase()] : lanes)
}
