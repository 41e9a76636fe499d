/** Speaks to a witness (C2SP tlog-witness). Every answer that the protocol knows is a value; trouble is an error. */
import { sha256 } from '#sha256'
import { fromDecimal, fromUtf8, toHex, utf8 } from '../bytes.ts'
import { CairnError, messageOf } from '../errors.ts'
import {
  type AddCheckpoint,
  formatAddCheckpoint,
  type WitnessAnswer,
} from '../formats/add-checkpoint.ts'
import { MAX_NOTE_SIZE, parseSignatureLines } from '../formats/note.ts'
import { type TreeSize, treeSize } from '../merkle/position.ts'
import { baseUrl, networkError, readBody, saidBy } from './request.ts'

export type { WitnessAnswer }

export interface WitnessClientOptions {
  /** Where the witness takes submissions, and shows what it knows unless `monitoringUrl` says otherwise. */
  readonly url: string
  readonly monitoringUrl?: string
  readonly fetch?: typeof fetch
  /** Milliseconds that one request may take, body included; 10,000 when left out. */
  readonly timeoutMs?: number
}

export interface WitnessClient {
  /**
   * Asks for cosignatures of a head.
   * @throws OVERLOADED when the witness asks to come back later
   * @throws IO when it cannot be reached, fails, or answers what no witness does; the signal's reason when that fires
   */
  addCheckpoint(request: AddCheckpoint, signal?: AbortSignal): Promise<WitnessAnswer>
  /**
   * The newest checkpoint of a log that the witness has cosigned, or undefined when there is none. Unverified.
   * @throws as addCheckpoint
   */
  latest(origin: string, signal?: AbortSignal): Promise<Uint8Array | undefined>
}

const DEFAULT_TIMEOUT_MS = 10_000
const MAX_SIZE_ANSWER = 32
/** SPEC tlog-witness: the one media type of a 409 that carries a size. */
const SIZE_TYPE = 'text/x.tlog.size'

/** The name under which a witness shows a log: SHA-256 of its origin in lowercase hexadecimal. */
export function originHash(origin: string): string {
  return toHex(sha256(utf8(origin)))
}

/** @throws USAGE unless the addresses are plain http or https ones */
export function witnessClient(options: WitnessClientOptions): WitnessClient {
  const submission = baseUrl(options.url, 'a witness')
  const monitoring = baseUrl(options.monitoringUrl ?? options.url, 'a witness')
  const send = options.fetch ?? fetch

  async function ask<T>(
    url: string,
    init: { readonly method: 'GET' | 'POST'; readonly body?: string },
    caller: AbortSignal | undefined,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS)
    const signal = caller ? AbortSignal.any([caller, timeout]) : timeout
    try {
      // A redirect would turn the POST into a GET, and its 200 would not mean what it says.
      return await read(await send(url, { ...init, redirect: 'error', signal }))
    } catch (error) {
      caller?.throwIfAborted()
      throw error instanceof CairnError ? error : networkError(error, url).error
    }
  }

  return {
    addCheckpoint: (request, signal) =>
      ask(
        `${submission}add-checkpoint`,
        { method: 'POST', body: formatAddCheckpoint(request) },
        signal,
        answerOf,
      ),
    latest: (origin, signal) =>
      ask(`${monitoring}${originHash(origin)}/checkpoint`, { method: 'GET' }, signal, (response) =>
        checkpointIn(response),
      ),
  }
}

async function answerOf(response: Response): Promise<WitnessAnswer> {
  const { status } = response
  if (status === 200) {
    const body = await readBody(response, MAX_NOTE_SIZE)
    return { kind: 'cosigned', signatures: meaning(() => parseSignatureLines(body)) }
  }
  const type = response.headers.get('content-type')?.trim().toLowerCase()
  if (status === 409 && type === SIZE_TYPE) {
    const body = fromUtf8(await readBody(response, MAX_SIZE_ANSWER))
    return { kind: 'conflict', size: meaning(() => parseSize(body)) }
  }
  const detail = await saidBy(response)
  // Witnesses older than the standard answer 409 without a size when the roots of equal sizes differ.
  if (status === 422 || status === 409) return { kind: 'inconsistent', detail }
  if (status === 429 || status === 503) throw new CairnError('OVERLOADED', detail)
  if (status >= 400 && status < 500) return { kind: 'refused', status, detail }
  throw new CairnError('IO', detail)
}

async function checkpointIn(response: Response): Promise<Uint8Array | undefined> {
  if (response.status === 200) return readBody(response, MAX_NOTE_SIZE)
  const detail = await saidBy(response)
  if (response.status === 404) return undefined
  const isBusy = response.status === 429 || response.status === 503
  throw new CairnError(isBusy ? 'OVERLOADED' : 'IO', detail)
}

function parseSize(body: string): TreeSize {
  if (!body.endsWith('\n')) throw new CairnError('MALFORMED', 'the size does not end its line')
  return treeSize(fromDecimal(body.slice(0, -1), 'the size'))
}

/** An answer that cannot be read is the witness's failure, not a mistake in what we sent. */
function meaning<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new CairnError('IO', `the witness's answer makes no sense: ${messageOf(cause)}`, {
      cause,
    })
  }
}
