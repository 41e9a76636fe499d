/** A real witness on a temporary directory, and a line to it that can be cut or slowed down. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../src/bytes.ts'
import { originHash } from '../../src/client/witness-client.ts'
import { mlDsaThread } from '../../src/crypto/ml-dsa-thread.ts'
import { CairnError } from '../../src/errors.ts'
import { formatAddCheckpoint, type WitnessAnswer } from '../../src/formats/add-checkpoint.ts'
import { parseSignatureLines } from '../../src/formats/note.ts'
import type { Policy } from '../../src/formats/policy.ts'
import { parseVkey } from '../../src/formats/vkey.ts'
import type { WitnessPort } from '../../src/log/witness-port.ts'
import { localWitnessSigner } from '../../src/witness/local-signer.ts'
import type { AddCheckpointOutcome, WitnessService } from '../../src/witness/service.ts'
import { openWitness } from '../../src/witness/witness.ts'
import { openWitnessStore } from './stores.ts'

export interface TestWitness {
  readonly name: string
  readonly service: WitnessService
  readonly port: WitnessPort
  /** How often the line is used, and what is wrong with it. */
  readonly line: { requests: number; down: boolean; delayMs: number }
  /** Forgets everything and takes its place. */
  discard(): Promise<void>
}

export interface TestWitnessOptions {
  readonly mlDsa?: boolean
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** A witness of the log whose vkeys are given. */
export async function newWitness(
  name: string,
  logVkeys: readonly string[],
  { mlDsa = false, now = Date.now }: TestWitnessOptions = {},
): Promise<TestWitness> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-witness-'))
  const thread = mlDsaThread()
  const keys = {
    name,
    ed25519Seed: randomBytes(32),
    ...(mlDsa && { mlDsaSeed: randomBytes(32) }),
  }
  const service = await openWitness({
    store: await openWitnessStore(directory),
    signer: localWitnessSigner(keys, thread),
    mlDsa: thread,
    signSubtrees: false,
    now,
  })
  await service.watch(logVkeys.map(parseVkey))
  const line = { requests: 0, down: false, delayMs: 0 }

  async function use(): Promise<void> {
    line.requests++
    if (line.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, line.delayMs))
    if (line.down) throw new CairnError('IO', `cannot reach ${name}`)
  }

  const port: WitnessPort = {
    url: `test:${name}`,
    keys: service.vkeys.map((vkey) => {
      const key = parseVkey(vkey)
      return { name: key.name, key }
    }),
    async addCheckpoint(request) {
      await use()
      return answerOf(await service.addCheckpoint(utf8(formatAddCheckpoint(request))))
    },
    async latest(origin) {
      await use()
      const note = await service.checkpoint(originHash(origin))
      return note === undefined ? undefined : utf8(note)
    },
  }
  return {
    name,
    service,
    port,
    line,
    async discard() {
      await service.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function answerOf(outcome: AddCheckpointOutcome): WitnessAnswer {
  switch (outcome.outcome) {
    case 'cosigned':
      return { kind: 'cosigned', signatures: parseSignatureLines(utf8(outcome.cosignatures)) }
    case 'conflict':
      return { kind: 'conflict', size: outcome.size }
    case 'inconsistent':
      return { kind: 'inconsistent', detail: outcome.detail }
    default:
      return { kind: 'refused', status: 400, detail: outcome.detail }
  }
}

/** A policy over these witnesses, of which `threshold` must cosign; 0 asks for none. */
export function policyOf(witnesses: readonly TestWitness[], threshold: number): Policy {
  const listed = witnesses.flatMap(({ port }) => port.keys)
  return {
    logs: [],
    witnesses: listed.map(({ name, key }) => ({ name, key })),
    groups:
      threshold === 0 ? [] : [{ name: 'q', threshold, members: listed.map(({ name }) => name) }],
    quorum: threshold === 0 ? undefined : 'q',
  }
}
