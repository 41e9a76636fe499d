/** What may be told to anybody of an error of the system: its code, without addresses and paths. */

const KNOWN = /^[A-Z][A-Z0-9_]{2,60}$/

/** `ECONNREFUSED`, of the error itself or of what caused it; `unknown reason` where there is no code. */
export function reasonCode(error: unknown): string {
  for (let one = error; one instanceof Error; one = one.cause) {
    const { code } = one as { code?: unknown }
    if (typeof code === 'string' && KNOWN.test(code)) return code
  }
  return 'unknown reason'
}
