/** What the commands about records have in common. */
import { createRecordsClient, type RecordsClient } from '../client/records-client.ts'
import type { Connection } from './command.ts'
import { clientOptions } from './connect.ts'

/** A client of the records of the log that the flags name. @throws USAGE */
export async function recordsClientOf(flags: Connection): Promise<RecordsClient> {
  return createRecordsClient({ ...(await clientOptions(flags)), retries: 2 })
}

/** An object as `--json` prints it, its members called as over HTTP: `placedBy` as `placed_by`. */
export function snakeCased(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      member,
    ]),
  )
}
