/** A running log with 300 records and a folder of their receipts, for tests of the command. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { writeReceipt } from '../../src/cli/receipt-files.ts'
import { createLogClient } from '../../src/client/log-client.ts'
import { formatTlogProof } from '../../src/formats/tlog-proof.ts'
import { loadConfig } from '../../src/server/config.ts'
import { serve } from '../../src/server/serve.ts'
import type { Run } from './run.ts'

export interface Fixture {
  /** The data directory. */
  readonly data: string
  /** Its `log.vkey`. */
  readonly vkey: string
  readonly url: string
  /** A path in the folder that the test may use; it has `records.ndjson` and `receipts`. */
  at(...parts: string[]): string
  /** Flags that reach the log. */
  readonly reach: readonly string[]
  close(): Promise<void>
}

const RECORDS: readonly string[] = Array.from({ length: 300 }, (_, i) => `{"record":${i}}`)

/** An empty folder with the records in it. */
export async function temporaryFolder(): Promise<Pick<Fixture, 'at' | 'close'>> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-cli-'))
  await writeFile(join(folder, 'records.ndjson'), RECORDS.map((record) => `${record}\n`).join(''))
  return {
    at: (...parts) => join(folder, ...parts),
    close: () => rm(folder, { recursive: true, force: true }),
  }
}

export async function startFixture(): Promise<Fixture> {
  const { at, close } = await temporaryFolder()
  const data = at('data')
  const flags = { data, port: 0, origin: 'cli.example/log', 'publish-interval': 20 }
  const server = await serve(await loadConfig({ flags, env: {} }))
  const tokenFile = join(data, 'admin.token')
  const token = (await readFile(tokenFile, 'utf8')).trim()
  const leaves = RECORDS.map(utf8)
  await mkdir(at('receipts'))
  for await (const receipts of createLogClient({ url: server.url, token }).submitMany(leaves)) {
    for (const receipt of receipts) {
      const leaf = leaves[receipt.index]!
      await writeReceipt(at('receipts'), receipt.index, formatTlogProof(receipt), leaf)
    }
  }
  return {
    data,
    vkey: join(data, 'log.vkey'),
    url: server.url,
    at,
    reach: ['--url', server.url, '--token-file', tokenFile],
    async close() {
      await server.close()
      await close()
    },
  }
}

/** Refused in one line on standard error, with nothing on standard output. */
export function expectRefusal(run: Run, message: RegExp): void {
  // A server tells what it has done by then, a JSON object a line.
  expect(run.stderr).toMatch(/^(\{.*\}\n)*cairn: .*\n$/)
  expect(run.stderr).toMatch(message)
  expect(run.stderr).not.toMatch(/\n {4}at /)
  expect(run.stdout).toBe('')
  expect(run.code).toBe(2)
}
