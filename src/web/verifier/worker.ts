/**
 * Judging beside the page, so that it stays alive while large evidence is checked: the script of the page is run once
 * more, in a worker, where it does nothing but answer questions.
 */
import type { FileVerdict } from '../../client/verify-file.ts'
import { messageOf } from '../../errors.ts'
import { judge, type Question } from './judge.ts'

interface Asked {
  readonly id: number
  readonly question: Question
}
type Answered =
  | { readonly ready: true }
  | { readonly id: number; readonly verdict: FileVerdict }
  | { readonly id: number; readonly error: string }

/** Gives the verdict on a question. @throws Error that says why there is none */
export type Judge = (question: Question) => Promise<FileVerdict>

/** What a worker has of its global scope. */
interface Scope {
  onmessage: ((event: MessageEvent<Asked>) => void) | null
  postMessage(answer: Answered): void
}

/** Whether this script runs in a worker. */
export function isWorker(): boolean {
  return typeof document === 'undefined'
}

/** Answers questions, one after the other as they come. */
export function serveAsWorker(): void {
  const scope = globalThis as unknown as Scope
  scope.onmessage = ({ data: { id, question } }) => {
    judge(question).then(
      (verdict) => scope.postMessage({ id, verdict }),
      (error: unknown) => scope.postMessage({ id, error: messageOf(error) }),
    )
  }
  scope.postMessage({ ready: true })
}

interface Waiting {
  readonly question: Question
  resolve(verdict: FileVerdict): void
  reject(error: Error): void
}

/** A judge that works in the background; where the browser lets no worker be, in the foreground. @param script of the page */
export function judgeInBackground(script: string): Judge {
  const waiting = new Map<number, Waiting>()
  let last = 0
  let worker: Worker | undefined
  const inForeground = (): void => {
    worker?.terminate()
    worker = undefined
    for (const { question, resolve, reject } of waiting.values()) {
      judge(question).then(resolve, (error) => reject(new Error(messageOf(error))))
    }
    waiting.clear()
  }
  try {
    worker = startWorker(script)
    let isReady = false
    worker.onerror = (event) => {
      event.preventDefault()
      if (!isReady) return inForeground()
      for (const { reject } of waiting.values()) {
        reject(new Error('the check has broken off; the file may be too large for this browser'))
      }
      waiting.clear()
    }
    worker.onmessage = ({ data }: MessageEvent<Answered>) => {
      if ('ready' in data) {
        isReady = true
        return
      }
      const asked = waiting.get(data.id)
      waiting.delete(data.id)
      if ('verdict' in data) asked?.resolve(data.verdict)
      else asked?.reject(new Error(data.error))
    }
  } catch {
    worker = undefined
  }
  return (question) => {
    if (worker === undefined) return judge(question)
    const id = ++last
    return new Promise((resolve, reject) => {
      waiting.set(id, { question, resolve, reject })
      worker?.postMessage({ id, question } satisfies Asked)
    })
  }
}

/** Browsers with trusted types run only scripts that a policy has let through; the page has this one. */
interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): { createScriptURL(url: string): string }
}

function startWorker(script: string): Worker {
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  const policy = trustedTypes?.createPolicy('cairn-worker', {
    createScriptURL: (own) => {
      if (own !== url) throw new TypeError('no other script is run')
      return own
    },
  })
  return new Worker(policy?.createScriptURL(url) ?? url)
}
