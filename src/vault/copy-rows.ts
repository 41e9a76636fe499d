/** The rows of a vault from one storage to another, as they are: nothing is opened, and no key is needed. */
import { equal } from '../bytes.ts'
import type { VaultChange, VaultRow, VaultRows, VaultStore } from '../storage/vault-port.ts'

const TOGETHER = { rows: 1_000, bytes: 4 * 2 ** 20 } as const
const EVERYTHING = new Uint8Array()

export interface CopyVaultOptions {
  readonly from: VaultStore
  readonly to: VaultStore
  /** Told how many rows were gone through. */
  readonly progress?: (rows: number) => void
  readonly signal?: AbortSignal
}

/**
 * Makes one vault's rows those of another, whatever it has before. What goes away or is replaced there can be found no
 * more. Nobody may write to either. @throws what the storages throw; the signal's reason
 */
export async function copyVault({
  from,
  to,
  progress = () => undefined,
  signal,
}: CopyVaultOptions): Promise<void> {
  let rows = 0
  const count = (more: number): void => {
    signal?.throwIfAborted()
    rows += more
    progress(rows)
  }
  await copyRows(from.payloads, to.payloads, count)
  const replaced = await copyRows(from.keys, to.keys, count)
  if (replaced) await to.keys.scrub()
}

/** @returns whether anything had to give way */
async function copyRows(
  from: VaultRows,
  to: VaultRows,
  count: (rows: number) => void,
): Promise<boolean> {
  let replaced = false
  for await (const rows of together(to.list(EVERYTHING))) {
    const wanted = await from.get(rows.map(({ key }) => key))
    const stale = rows.filter(({ value }, i) => wanted[i] === undefined || !equal(wanted[i], value))
    if (stale.length === 0) continue
    replaced = true
    await to.write(stale.map(({ key }): VaultChange => ({ kind: 'delete', key })))
  }
  for await (const rows of together(from.list(EVERYTHING))) {
    await putRows(to, rows)
    count(rows.length)
  }
  return replaced
}

/** Puts rows that are not there, and those that are once more. */
export function putRows(to: VaultRows, rows: readonly VaultRow[]): Promise<void> {
  return to.write(rows.map(({ key, value }): VaultChange => ({ kind: 'put', key, value })))
}

/** Rows in the order they come, up to so many or so large. */
async function* together(rows: AsyncIterable<VaultRow>): AsyncGenerator<VaultRow[]> {
  let some: VaultRow[] = []
  let bytes = 0
  for await (const row of rows) {
    some.push(row)
    bytes += row.key.length + row.value.length
    if (some.length < TOGETHER.rows && bytes < TOGETHER.bytes) continue
    yield some
    some = []
    bytes = 0
  }
  if (some.length > 0) yield some
}
