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
  const detail = 'not checked, because an earlier check failed'
  const checks = order.map((name): Check => made.get(name) ?? { name, status: 'skipped', detail })
  return { proven, checks }
}
