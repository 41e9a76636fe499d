/** A backup of the log, while it goes on: for an administrator of the log's own tenant, one at a time. */
import { mustBeAllowed } from '../compliance/principal.ts'
import { CairnError } from '../errors.ts'
import { COMMON, type StreamedAnswer, UNCACHED } from './answer.ts'
import { type Authenticate, unauthorized } from './authenticate.ts'
import { Bytes, type Route, route } from './route.ts'

const BACKUP_TYPE = 'application/vnd.cairn.backup+tar'
/** After so long without anybody who takes more, the next one may have its turn. */
const STALL_MS = 120_000
/** A body that is not asked for at once is not wanted: the request was HEAD. */
const START_MS = 5_000

/** What a server can save of a log. */
export interface HostedBackup {
  readonly authenticate: Authenticate
  /** The log's own tenant. */
  readonly tenant: string
  /** The archive, piece by piece, as the log is now. @throws UNAVAILABLE where it cannot be made here */
  chunks(): Promise<AsyncIterable<Uint8Array>>
}

export function backupRoute(hosted: HostedBackup | undefined, stallMs: number = STALL_MS): Route {
  let isBusy = false
  return route({
    path: '/v1/backup',
    documentation: {
      tag: 'operations',
      summary: 'Saves the whole log, while it goes on taking entries',
      description:
        'A tar archive with a manifest of hashes at its end; "cairn restore" makes a log of it again. Payloads are as they are encrypted. Private keys are not in it. For administrators of the log\'s own tenant, one at a time.',
      token: true,
      answers: { 200: { description: 'cairn-backup/v1.', content: { [BACKUP_TYPE]: Bytes } } },
    },
    async handle(request) {
      if (hosted === undefined) throw new CairnError('NOT_FOUND', 'this log cannot be saved here')
      const authorization = request.headers.authorization as string | undefined
      const by = await hosted.authenticate(authorization)
      if (by === undefined) return unauthorized(authorization)
      mustBeAllowed(by, 'back-up')
      if (by.tenant !== hosted.tenant) {
        throw new CairnError(
          'FORBIDDEN',
          `a backup has the records of all tenants, so it is for the log's own tenant only, and ${by.name} is of another`,
        )
      }
      if (isBusy)
        throw new CairnError('OVERLOADED', 'a backup is being made; try again when it is done')
      isBusy = true
      const end = (): void => {
        isBusy = false
      }
      try {
        return streamed(whileTaken(await hosted.chunks(), stallMs, end))
      } catch (error) {
        end()
        throw error
      }
    },
  })
}

function streamed(body: AsyncIterable<Uint8Array>): StreamedAnswer {
  return {
    status: 200,
    headers: {
      'Content-Type': BACKUP_TYPE,
      'Cache-Control': UNCACHED,
      'Content-Disposition': 'attachment; filename="log.backup"',
      ...COMMON,
    },
    body,
  }
}

/** Ends what nobody takes any more, and says so once, whichever way it ended. */
function whileTaken(
  chunks: AsyncIterable<Uint8Array>,
  stallMs: number,
  onEnd: () => void,
): AsyncIterable<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]()
  let isOver = false
  const end = (): void => {
    clearTimeout(timer)
    if (isOver) return
    isOver = true
    onEnd()
    source.return?.().catch(() => undefined)
  }
  let timer = setTimeout(end, Math.min(stallMs, START_MS)).unref()
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        clearTimeout(timer)
        if (isOver) throw new CairnError('STOPPED', 'nobody took the backup for too long')
        try {
          const given = await source.next()
          if (given.done === true) end()
          else timer = setTimeout(end, stallMs).unref()
          return given
        } catch (error) {
          end()
          throw error
        }
      },
      async return() {
        end()
        return { done: true, value: undefined }
      },
    }),
  }
}
