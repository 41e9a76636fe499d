/** The worker of ml-dsa-thread.ts: one signature or verification after the other, in the order in which they came. */
import { parentPort } from 'node:worker_threads'
import { messageOf } from '../errors.ts'
import type { MlDsaAnswer, MlDsaCall, MlDsaRequest } from './ml-dsa-thread.ts'
import { mlDsaSign, mlDsaVerify } from './ml-dsa-web.ts'

function run(call: MlDsaCall): Uint8Array | boolean {
  return call.method === 'sign' ? mlDsaSign(...call.arguments) : mlDsaVerify(...call.arguments)
}

parentPort!.on('message', (request: MlDsaRequest) => {
  let answer: MlDsaAnswer
  try {
    answer = { id: request.id, result: run(request) }
  } catch (error) {
    answer = { id: request.id, error: messageOf(error) }
  }
  parentPort!.postMessage(answer)
})
