/** A log with leaves, records, an erased person and a used idempotency key, to be moved, saved and restored. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex, utf8 } from '../../src/bytes.ts'
import { createLogClient } from '../../src/client/log-client.ts'
import { createRecordsClient } from '../../src/client/records-client.ts'
import { formatTlogProof } from '../../src/formats/tlog-proof.ts'
import { loadConfig } from '../../src/server/config.ts'
import { type LogPlace, openStorage } from '../../src/server/log-storage.ts'
import { openVaultAt } from '../../src/server/open-vault.ts'
import { serve } from '../../src/server/serve.ts'
import { openMasterKeyFile } from '../../src/vault/master-key-file.ts'

export const IDEMPOTENCY_KEY = 'a-key-that-was-used'
export const KEYED_LEAF = 'a leaf that came with a key'

export interface Running {
  readonly url: string
  readonly token: string
  readonly log: ReturnType<typeof createLogClient>
  readonly records: ReturnType<typeof createRecordsClient>
}

/** Serves a data directory while something is done with it. */
export async function whileServed<T>(
  data: string,
  work: (running: Running) => Promise<T>,
  flags: Readonly<Record<string, unknown>> = {},
): Promise<T> {
  const config = await loadConfig({
    flags: { data, port: 0, 'publish-interval': 20, ...flags },
    env: {},
  })
  const server = await serve(config)
  try {
    const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
    const { url } = server
    const options = { url, token }
    return await work({
      ...options,
      log: createLogClient(options),
      records: createRecordsClient(options),
    })
  } finally {
    await server.close()
  }
}

export interface MadeLog {
  /** Receipts of some leaves, with the leaves. */
  readonly receipts: readonly { readonly leaf: Uint8Array; readonly proof: string }[]
  /** The ids of a record that can be read, and of one whose person was erased. */
  readonly kept: string
  readonly erased: string
}

/** Makes such a log in a new data directory; it is stopped then. */
export function makeLog(
  data: string,
  flags: Readonly<Record<string, unknown>> = {},
): Promise<MadeLog> {
  return whileServed(
    data,
    async ({ log, records, url, token }) => {
      const leaves = Array.from({ length: 600 }, (_, i) => utf8(`leaf ${i}`))
      for await (const _ of log.submitForIndices(leaves));
      await submitKeyed(url, token)
      for (const subject of ['ann', 'bob', 'ann', 'bob']) {
        await records.submit({
          type: 'llm_request',
          subject,
          input: { prompt: `a prompt of ${subject}` },
        })
      }
      const idOf = async (subject: string): Promise<string> =>
        (await records.search({ subject })).records[0]!.id
      const [kept, erased] = [await idOf('bob'), await idOf('ann')]
      await records.erase({ subject: 'ann', basis: 'GDPR Art. 17(1)(b)' })
      const receipts = [leaves[0]!, leaves[299]!].map(async (leaf) => ({
        leaf,
        proof: formatTlogProof(await log.submit(leaf)),
      }))
      return { receipts: await Promise.all(receipts), kept, erased }
    },
    { origin: 'moving.example/log', ...flags },
  )
}

/** Submits the leaf that came with a key; the index that it has. */
export async function submitKeyed(url: string, token: string): Promise<unknown> {
  const answer = await fetch(`${url}/v1/leaves`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/octet-stream',
      'idempotency-key': IDEMPOTENCY_KEY,
      accept: 'application/json',
    },
    body: KEYED_LEAF,
  })
  if (!answer.ok) throw new Error(await answer.text())
  return ((await answer.json()) as { index: unknown }).index
}

/** Everything that a stopped log keeps, value by value. */
export async function contentsOf(place: LogPlace): Promise<Record<string, string>> {
  const storage = await openStorage(place, { create: false })
  const found: Record<string, string> = {}
  try {
    const { log, stores } = storage
    const head = await log.head()
    const publication = await log.publication()
    found.head = Buffer.from(head?.checkpoint ?? []).toString()
    found.publication = [
      publication?.timestamp,
      toHex(publication?.treeHeadSignature ?? new Uint8Array()),
      Buffer.from(publication?.checkpoint ?? []).toString(),
    ].join(' ')
    const size = head?.size ?? 0
    for (let level = 0; level < 3; level++) {
      for (let tile = 0; tile * 256 ** (level + 1) < size; tile++) {
        found[`tile ${level}/${tile}`] = toHex(await log.tile(level, tile))
      }
    }
    for (let bundle = 0; bundle * 256 < size; bundle++) {
      found[`bundle ${bundle}`] = toHex(await log.bundle(bundle))
    }
    for await (const { key, request, indices } of log.idempotencyRecords?.() ?? []) {
      found[`idempotency ${toHex(key)}`] = `${toHex(request)} ${indices}`
    }
    const heads = await stores.openHeads()
    for (const time of heads.times()) found[`kept ${time}`] = (await heads.read(time)).checkpoint
    if (await stores.hasVault()) {
      const vault = await stores.openVault()
      for (const name of ['keys', 'payloads'] as const) {
        for await (const { key, value } of vault[name].list(new Uint8Array())) {
          found[`${name} ${toHex(key)}`] = toHex(value)
        }
      }
      await vault.close()
    }
    found.tokens = (await storage.tokens.read())?.text ?? ''
    found['log.vkey'] = await readFile(join(place.data, 'log.vkey'), 'utf8')
  } finally {
    await storage.close()
  }
  return found
}

/** A place in a database, and the settings by which it is served. */
export function placeIn(
  data: string,
  { url, schema }: { readonly url: string; readonly schema: string },
): { readonly place: LogPlace; readonly flags: Readonly<Record<string, unknown>> } {
  return {
    place: { data, shared: { database: { url, schema } } },
    flags: { database: url, 'database-schema': schema },
  }
}

/** What the vault gives of a record. */
export async function payloadOf(data: string, id: string, keyFile?: string): Promise<unknown> {
  const { masterKey } = await openMasterKeyFile(keyFile ?? join(data, 'keys', 'vault.key'))
  const vault = await openVaultAt(join(data, 'vault'), masterKey)
  try {
    return await vault.get('default', id)
  } finally {
    await vault.close()
  }
}
