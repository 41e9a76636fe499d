/** The signing thread: ML-DSA-44 and ECDSA take milliseconds in JavaScript, which no submission should wait for. */
import { createPrivateKey, sign } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../errors.ts'
import { mlDsaSigningKey } from '../formats/signing-key.ts'
import type { LocalKeys, PublicationAnswer, PublicationRequest } from './local-signer.ts'

const keys = workerData as LocalKeys
const mlDsa = mlDsaSigningKey(keys.origin, keys.mlDsaSeed)
const treeHeadKey = createPrivateKey(keys.treeHeadKey)

parentPort!.on('message', ({ id, checkpoint, treeHead }: PublicationRequest) => {
  parentPort!.postMessage(answer(id, checkpoint, treeHead))
})

function answer(id: number, checkpoint: string, treeHead: Uint8Array): PublicationAnswer {
  try {
    const signature = sign('sha256', treeHead, { key: treeHeadKey, dsaEncoding: 'der' })
    return {
      id,
      signatures: { mlDsa: mlDsa.sign(checkpoint), treeHead: new Uint8Array(signature) },
    }
  } catch (error) {
    return { id, error: messageOf(error) }
  }
}
