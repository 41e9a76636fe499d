/** From the flags of a client command to the client's options. */
import { fromUtf8 } from '../bytes.ts'
import type { LogClientOptions } from '../client/log-client.ts'
import { CairnError } from '../errors.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import type { Connection } from './command.ts'
import { duration } from './style.ts'

const MAX_TOKEN_SIZE = 4096

/** @throws USAGE when the token's file holds no token */
export async function clientOptions(flags: Connection): Promise<LogClientOptions> {
  const token = flags.tokenFile === undefined ? flags.token : await readToken(flags.tokenFile)
  return {
    url: flags.url,
    ...(token && { token }),
    onRetry: (reason, pauseMs) => {
      if (process.stderr.isTTY) {
        process.stderr.write(`\r\x1b[2K${reason}; next attempt in ${duration(pauseMs)}\n`)
      }
    },
  }
}

/** The token in a file. @throws USAGE when it holds none */
export async function readToken(file: string): Promise<string> {
  const token = fromUtf8(await readFileUpTo(file, MAX_TOKEN_SIZE), file).trim()
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new CairnError('USAGE', `${file} does not hold a token`)
}
