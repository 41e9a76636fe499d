/** The way from single checks to a verdict: each is made once, in order, and the first that fails ends it. */
import { messageOf } from '../errors.ts'
import { printable } from './receipt-words.ts'
import type { Check } from './verdict.ts'

/** What a check found. Without a detail it gets no line unless it fails. */
export interface Finding<T> {
  readonly value: T
  readonly status?: 'skipped'
  readonly detail?: string
}

/** Makes a check and records it. @throws whatever the check threw, once it is recorded as failed */
export type Checker<Name extends string> = <T>(name: Name, run: () => Finding<T>) => T

const UNMADE = 'not checked, because an earlier check failed'

/** Runs what makes its checks with `check`. `proven` is what it returned, unless one of them failed. */
export function runChecks<Name extends string, T>(
  order: readonly Name[],
  run: (check: Checker<Name>) => T,
): { readonly proven: T | undefined; readonly checks: readonly Check[] } {
  const made = new Map<Name, Check>()
  const check: Checker<Name> = (name, find) => {
    try {
      const { value, status = 'held', detail } = find()
      if (detail !== undefined) made.set(name, { name, status, detail: printable(detail) })
      return value
    } catch (error) {
      made.set(name, { name, status: 'failed', detail: printable(messageOf(error)) })
      throw error
    }
  }
  let proven: T | undefined
  try {
    proven = run(check)
  } catch {
    // Recorded by `check`.
  }
  const checks = order.map(
    (name): Check => made.get(name) ?? { name, status: 'skipped', detail: UNMADE },
  )
  return { proven, checks }
}

/** Checks of which each is made for itself, whatever became of the others. */
export interface OwnChecks<Name extends string> {
  /** Makes a check and records it. Undefined when it failed. */
  readonly attempt: <T>(name: Name, run: () => Finding<T>) => T | undefined
  /** Whether it was made, and failed. */
  readonly failed: (name: Name) => boolean
  /** All of them in their order; those that were not made are skipped. */
  readonly list: () => readonly Check[]
}

export function ownChecks<Name extends string>(order: readonly Name[]): OwnChecks<Name> {
  const made = new Map<Name, Check>()
  return {
    attempt(name, run) {
      try {
        const { value, status = 'held', detail = '' } = run()
        made.set(name, { name, status, detail: printable(detail) })
        return value
      } catch (error) {
        made.set(name, { name, status: 'failed', detail: printable(messageOf(error)) })
        return undefined
      }
    },
    failed: (name) => made.get(name)?.status === 'failed',
    list: () =>
      order.map((name): Check => made.get(name) ?? { name, status: 'skipped', detail: UNMADE }),
  }
}

/** The sentence of a verdict that proves nothing: the first check that failed, and which others did. */
export function unproven(checks: readonly Check[]): string {
  const [first, ...others] = checks.filter(({ status }) => status === 'failed')
  if (first === undefined) return 'nothing is proven'
  const more = others.map(({ name }) => name).join(', ')
  return `nothing is proven: ${first.detail}${more === '' ? '' : ` (failed as well: ${more})`}`
}

/** That the quorum was there, as the end of a sentence about a tree; empty when it was not asked for. */
export function witnessedWords(checks: readonly Check[]): string {
  const isHeld = checks.some(({ name, status }) => name === 'witnesses' && status === 'held')
  return isHeld ? ', and the witnesses that the policy demands have cosigned that tree' : ''
}
