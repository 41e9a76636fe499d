/**
 * ML-DSA-44 that holds nobody up. Where Node does it natively (24.6 and later) its own threads do the work; elsewhere a
 * signature takes ten milliseconds and more in JavaScript, and a worker makes one after the other.
 */
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { CairnError } from '../errors.ts'
import { mlDsaIsNative, mlDsaSignInPool, mlDsaVerifyInPool } from './ml-dsa-node.ts'

export interface MlDsaThread {
  /** Calls that wait for their answer. */
  readonly waiting: number
  /** A signature of `message` by a 32-byte seed, 2420 bytes; no two are alike. @throws STOPPED, IO */
  sign(message: Uint8Array, seed: Uint8Array): Promise<Uint8Array>
  /**
   * Whether `signature` is the key's over `message`; false for anything that is not even a signature or a key.
   * @throws STOPPED, IO
   */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): Promise<boolean>
  /** Ends the thread. Calls that still wait for their answer fail with STOPPED. */
  close(): Promise<void>
}

export type MlDsaCall =
  | { readonly method: 'sign'; readonly arguments: readonly [Uint8Array, Uint8Array] }
  | { readonly method: 'verify'; readonly arguments: readonly [Uint8Array, Uint8Array, Uint8Array] }

/** What the worker is asked, and what it answers. */
export type MlDsaRequest = MlDsaCall & { readonly id: number }
export type MlDsaAnswer = { readonly id: number } & (
  | { readonly result: Uint8Array | boolean }
  | { readonly error: string }
)

/** Starts nothing before the first call, and keeps no process alive while nobody waits. */
export function mlDsaThread(): MlDsaThread {
  return mlDsaIsNative() ? poolThread() : workerThread()
}

function closed(): CairnError {
  return new CairnError('STOPPED', 'the thread for ML-DSA-44 is closed')
}

function poolThread(): MlDsaThread {
  let waiting = 0
  let open = true
  async function counted<T>(run: () => Promise<T>): Promise<T> {
    if (!open) throw closed()
    waiting++
    try {
      return await run()
    } finally {
      waiting--
    }
  }
  return {
    get waiting() {
      return waiting
    },
    sign: (message, seed) => counted(() => mlDsaSignInPool(message, seed)),
    verify: (signature, message, publicKey) =>
      counted(() => mlDsaVerifyInPool(signature, message, publicKey)),
    async close() {
      open = false
    },
  }
}

interface Waiting {
  resolve(result: Uint8Array | boolean): void
  reject(error: Error): void
}

/** The thread in JavaScript. Exported so that tests can have it on any Node. */
export function workerThread(): MlDsaThread {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let open = true
  let nextId = 0

  function failAll(error: CairnError): void {
    for (const one of waiting.values()) one.reject(error)
    waiting.clear()
  }

  function start(): Worker {
    const started = new Worker(createRequire(import.meta.url).resolve('#ml-dsa-worker'))
    started.on('message', (answer: MlDsaAnswer) => {
      const asked = waiting.get(answer.id)
      waiting.delete(answer.id)
      if (waiting.size === 0) started.unref()
      if ('result' in answer) asked?.resolve(answer.result)
      else asked?.reject(new CairnError('IO', `ML-DSA-44 failed: ${answer.error}`))
    })
    started.on('error', (cause) => {
      if (worker === started) worker = undefined
      failAll(new CairnError('IO', `the thread for ML-DSA-44 failed: ${cause.message}`, { cause }))
    })
    return started
  }

  function call(request: MlDsaCall): Promise<Uint8Array | boolean> {
    if (!open) return Promise.reject(closed())
    worker ??= start()
    const id = nextId++
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject })
      // The thread keeps the process alive only while somebody waits for it.
      worker!.ref()
      worker!.postMessage({ ...request, id } satisfies MlDsaRequest)
    })
  }

  return {
    get waiting() {
      return waiting.size
    },
    // The worker gives to each method what it is declared to give.
    sign: (...args) => call({ method: 'sign', arguments: args }) as Promise<Uint8Array>,
    verify: (...args) => call({ method: 'verify', arguments: args }) as Promise<boolean>,
    async close() {
      open = false
      failAll(closed())
      await worker?.terminate()
    },
  }
}
