/** The vectors of a witness, sent to a real one. */
import { mkdtemp, rm } from 'node:fs/promises'
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
import { openLevelWitnessStore } from '../../src/storage/level-witness.ts'
import { localWitnessSigner } from '../../src/witness/local-signer.ts'
import type { WitnessService } from '../../src/witness/service.ts'
import { openWitness } from '../../src/witness/witness.ts'
import { readText } from '../support/sources.ts'
import type { WitnessStep, WitnessVectors } from '../support/witness-vectors.ts'

const { vkeys, log_vkeys, time, steps } = JSON.parse(
  readText('spec/vectors/witness.json'),
) as WitnessVectors
const { keys } = JSON.parse(readText('spec/vectors/keys.json')) as {
  keys: { vkey: string; seed: string }[]
}
const seedOf = (vkey: string | undefined): Uint8Array =>
  fromHex(keys.find((key) => key.vkey === vkey)!.seed)

interface Answer {
  readonly status: number
  readonly body: string
}

/** The status that HTTP gives to each outcome. */
const STATUS = {
  cosigned: 200,
  signed: 200,
  malformed: 400,
  'too-large': 413,
  untrusted: 403,
  'unknown-log': 404,
  conflict: 409,
  inconsistent: 422,
} as const

async function ask(service: WitnessService, { path, body }: WitnessStep): Promise<Answer> {
  if (body === undefined) {
    const note = await service.checkpoint(path.split('/')[1]!)
    return note === undefined ? { status: 404, body: '' } : { status: 200, body: note }
  }
  const answer =
    path === '/sign-subtree'
      ? await service.signSubtree(utf8(body))
      : await service.addCheckpoint(utf8(body))
  const status = STATUS[answer.outcome]
  if (answer.outcome === 'conflict') return { status, body: `${answer.size}\n` }
  return { status, body: 'cosignatures' in answer ? answer.cosignatures : '' }
}

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
      store: await openLevelWitnessStore(directory),
      signer,
      mlDsa: thread,
      signSubtrees: true,
      now: () => time * 1000,
    })
    expect(service.vkeys).toEqual(vkeys)
    await service.watch(log_vkeys.map(parseVkey))
  })
  afterAll(async () => {
    await service?.close()
    await rm(directory, { recursive: true, force: true })
  })

  it.each(steps)('$path: $name, $status', async (step) => {
    const { status, body } = await ask(service, step)
    expect(status).toBe(step.status)
    if (step.answer === undefined) return
    expect(withoutMlDsa(body)).toEqual(withoutMlDsa(step.answer))
    expect(body.split('\n').length).toBe(step.answer.split('\n').length)
    if (status === 200) verifyMlDsa(step, body)
  })
})
