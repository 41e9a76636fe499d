/** A signer whose keys are in this process: Ed25519 on the calling thread, the slow signatures on one of their own. */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { ed25519PublicKey, ed25519Sign } from '#ed25519'
import { mlDsaPublicKey } from '#ml-dsa'
import { CairnError } from '../errors.ts'
import { verifierKey } from '../formats/vkey.ts'
import type { LogSigner, PublicationSignatures } from './signer.ts'

export interface LocalKeys {
  readonly origin: string
  /** 32 bytes. */
  readonly ed25519Seed: Uint8Array
  /** 32 bytes. */
  readonly mlDsaSeed: Uint8Array
  /** PKCS#8 PEM of a P-256 key. */
  readonly treeHeadKey: string
}

/** What the signing thread is asked, and what it answers. */
export interface PublicationRequest {
  readonly id: number
  readonly checkpoint: string
  readonly treeHead: Uint8Array
}
export type PublicationAnswer = { readonly id: number } & (
  | { readonly signatures: PublicationSignatures }
  | { readonly error: string }
)

interface Waiting {
  resolve(signatures: PublicationSignatures): void
  reject(error: Error): void
}

/** @throws USAGE when the tree head key is not a P-256 key */
export function localSigner(keys: LocalKeys): LogSigner {
  const treeHeadKey = createPrivateKey(keys.treeHeadKey)
  if (treeHeadKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new CairnError('USAGE', 'the key for RFC 6962 tree heads must be an ECDSA P-256 key')
  }
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let nextId = 0

  function start(): Worker {
    const file = createRequire(import.meta.url).resolve('#publication-signer')
    const started = new Worker(file, { workerData: keys })
    started.on('message', (answer: PublicationAnswer) => {
      const asked = waiting.get(answer.id)
      waiting.delete(answer.id)
      if (waiting.size === 0) started.unref()
      if ('signatures' in answer) asked?.resolve(answer.signatures)
      else asked?.reject(new CairnError('IO', `could not sign the published head: ${answer.error}`))
    })
    started.on('error', (cause) => {
      worker = undefined
      for (const asked of waiting.values()) {
        asked.reject(new CairnError('IO', `the signing thread failed: ${cause.message}`, { cause }))
      }
      waiting.clear()
    })
    return started
  }

  return {
    origin: keys.origin,
    ed25519: verifierKey(keys.origin, 'ed25519', ed25519PublicKey(keys.ed25519Seed)),
    mlDsa: verifierKey(keys.origin, 'ml-dsa-44', mlDsaPublicKey(keys.mlDsaSeed)),
    treeHeadKey: createPublicKey(treeHeadKey).export({ type: 'spki', format: 'der' }),
    sign: (message) => ed25519Sign(message, keys.ed25519Seed),
    signPublication(checkpoint, treeHead) {
      worker ??= start()
      const id = nextId++
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        // The thread keeps the process alive only while somebody waits for it.
        worker!.ref()
        worker!.postMessage({ id, checkpoint, treeHead } satisfies PublicationRequest)
      })
    },
    async close() {
      await worker?.terminate()
    },
  }
}
