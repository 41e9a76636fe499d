/** Which running witness a command talks to, and what lets it in. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { fromUtf8 } from '../bytes.ts'
import { createWitnessAdmin, type WitnessAdmin } from '../client/witness-admin.ts'
import { CairnError, usage } from '../errors.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { WITNESS_FILES } from '../server/witness-files.ts'
import { directoryKind } from '../storage/data-directory.ts'
import { readToken } from './connect.ts'

/** Where the data goes when nobody says where. */
export const DEFAULT_WITNESS_DATA = 'cairn-witness'
const DEFAULT_URL = 'http://127.0.0.1:7962'
const MAX_URL_SIZE = 4096

export interface WitnessPlace {
  readonly data?: string
  readonly url?: string
  readonly token?: string
  readonly tokenFile?: string
}

/** Adds the flags that say which witness it is. */
export function withWitnessPlace(command: Command): void {
  command
    .option(
      '--data <folder>',
      `data directory of the witness on this machine, which has its address and token (default: ./${DEFAULT_WITNESS_DATA} if it is there)`,
    )
    .option('--url <url>', 'address of the witness, instead of a data directory (or CAIRN_URL)')
    .option('--token <token>', 'access token (or CAIRN_TOKEN)')
    .addOption(
      new Option('--token-file <file>', 'file that holds the access token').conflicts('token'),
    )
}

/** The witness that the flags name. @throws USAGE, IO when there is none in the data directory */
export async function witnessAdmin(flags: WitnessPlace): Promise<WitnessAdmin> {
  const { CAIRN_DATA, CAIRN_URL, CAIRN_TOKEN } = process.env
  // An address by flag is that of a witness elsewhere: what is on this machine is meant only if it is named as well.
  const data = flags.data ?? (flags.url === undefined ? (CAIRN_DATA ?? dataHere()) : undefined)
  if (data !== undefined) await checkData(data)
  const url = flags.url ?? (data && (await urlIn(data))) ?? CAIRN_URL ?? DEFAULT_URL
  const token = flags.token ?? (await tokenIn(flags.tokenFile, data)) ?? CAIRN_TOKEN
  return createWitnessAdmin({ url, retries: 1, ...(token !== undefined && { token }) })
}

function dataHere(): string | undefined {
  return existsSync(DEFAULT_WITNESS_DATA) ? DEFAULT_WITNESS_DATA : undefined
}

async function checkData(data: string): Promise<void> {
  const kind = await directoryKind(data)
  if (kind === 'witness') return
  throw usage(
    kind === undefined
      ? `there is no witness in ${data}; start one with: cairn witness --data ${data}`
      : `${data} holds the data of a ${kind}, not of a witness`,
  )
}

async function urlIn(data: string): Promise<string> {
  const file = join(data, WITNESS_FILES.url)
  if (!existsSync(file)) throw usage(`the witness in ${data} has not run yet; start it first`)
  return fromUtf8(await readFileUpTo(file, MAX_URL_SIZE), file).trim()
}

/** Without a token the witness itself says what is missing; not every request needs one. */
async function tokenIn(
  file: string | undefined,
  data: string | undefined,
): Promise<string | undefined> {
  if (file !== undefined) return readToken(file)
  const own = data === undefined ? undefined : join(data, 'admin.token')
  return own !== undefined && existsSync(own) ? readToken(own) : undefined
}

/** Adds to a refused token what may be wrong. */
export function explainRefusal(error: unknown): never {
  if (error instanceof CairnError && error.code === 'UNAUTHORIZED') {
    throw new CairnError(
      'UNAUTHORIZED',
      'the witness refuses the token: give its own with --token-file, or its folder with --data',
      { cause: error },
    )
  }
  throw error
}
