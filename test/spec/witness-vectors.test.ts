/** The vectors of a witness, sent to a real one over HTTP. */
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromHex, utf8 } from '../../src/bytes.ts'
import { mlDsaThread } from '../../src/crypto/ml-dsa-thread.ts'
import { parseAddCheckpoint } from '../../src/formats/add-checkpoint.ts'
import { verifySubtreeSignature } from '../../src/formats/cosignature.ts'
import { parseSignatureLines } from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { parseSignSubtree } from '../../src/formats/sign-subtree.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import { createWitnessServer } from '../../src/http/witness-listener.ts'
import { localWitnessSigner } from '../../src/witness/local-signer.ts'
import type { WitnessService } from '../../src/witness/service.ts'
import { openWitness } from '../../src/witness/witness.ts'
import { readText } from '../support/sources.ts'
import { openWitnessStore } from '../support/stores.ts'
import type { WitnessStep, WitnessVectors } from '../support/witness-vectors.ts'

const { vkeys, log_vkeys, time, steps } = JSON.parse(
  readText('spec/vectors/witness.json'),
) as WitnessVectors
const { keys } = JSON.parse(readText('spec/vectors/keys.json')) as {
  keys: { vkey: string; seed: string }[]
}
const seedOf = (vkey: string | undefined): Uint8Array =>
  fromHex(keys.find((key) => key.vkey === vkey)!.seed)

/** ML-DSA-44 signatures are random; those of Ed25519 and everything else must be the same. */
function withoutMlDsa(text: string): string[] {
  return text.split('\n').filter((line) => line.length < 3000)
}

function verifyMlDsa({ path, body }: WitnessStep, answer: string): void {
  const witnesses = vkeys.map(parseVkey)
  if (path === '/sign-subtree') {
    const { head, subtree, hash } = parseSignSubtree(utf8(body!))
    const [line] = parseSignatureLines(utf8(answer))
    verifySubtreeSignature({ origin: head.origin, subtree, hash }, line!, witnesses[1]!)
    return
  }
  const note = body === undefined ? answer : parseAddCheckpoint(utf8(body)).checkpoint + answer
  const { cosignatures } = openCheckpoint(utf8(note), log_vkeys.map(parseVkey), witnesses)
  expect(cosignatures).toEqual(witnesses.map((key) => ({ key, timestamp: time })))
}

describe('a witness answers the vectors', () => {
  let directory: string
  let service: WitnessService
  let url: string
  let closeServer: (() => Promise<void>) | undefined
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cairn-witness-vectors-'))
    const thread = mlDsaThread()
    const signer = localWitnessSigner(
      {
        name: parseVkey(vkeys[0]!).name,
        ed25519Seed: seedOf(vkeys[0]),
        mlDsaSeed: seedOf(vkeys[1]),
      },
      thread,
    )
    service = await openWitness({
      store: await openWitnessStore(directory),
      signer,
      mlDsa: thread,
      signSubtrees: true,
      now: () => time * 1000,
    })
    expect(service.vkeys).toEqual(vkeys)
    await service.watch(log_vkeys.map(parseVkey))
    const http = createWitnessServer({ witness: service, authenticate: () => undefined })
    closeServer = () => http.close(1_000)
    await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}`
  })
  afterAll(async () => {
    await closeServer?.()
    await service?.close()
    await rm(directory, { recursive: true, force: true })
  })

  it.each(steps)('$path: $name, $status', async (step) => {
    const { path, body, status, answer } = step
    const response = await fetch(url + path, body === undefined ? {} : { method: 'POST', body })
    const text = await response.text()
    expect(response.status).toBe(status)
    const type = response.headers.get('content-type')
    if (status === 409) expect(type).toBe('text/x.tlog.size')
    else if (status === 200) expect(type).toBe('text/plain; charset=utf-8')
    else expect(type).toBe('application/problem+json')
    if (answer === undefined) return
    expect(withoutMlDsa(text)).toEqual(withoutMlDsa(answer))
    expect(text.split('\n').length).toBe(answer.split('\n').length)
    if (status === 200) verifyMlDsa(step, text)
  })
})
