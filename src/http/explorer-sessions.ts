/**
 * Who is signed in to the pages of a log. A browser keeps a random number, in a cookie that no script can read and that
 * is sent to this site only when it was asked from this site; the token that it stands for stays in this process. So
 * nothing that listens on another port of the same host, where browsers send cookies as well, can get at a token.
 */
import { randomBytes } from 'node:crypto'
import { sha256 } from '#sha256'
import { toBase64Url, toHex, utf8 } from '../bytes.ts'
import type { HeaderFields } from './admission.ts'

export interface ExplorerSessions {
  /** Begins a session. The value of `Set-Cookie`. */
  begin(token: string, secure: boolean): string
  /** The value of `Authorization` that a request stands for; undefined for who is not signed in. */
  authorization(headers: HeaderFields): string | undefined
  /** Ends the session of a request. The value of `Set-Cookie`. */
  end(headers: HeaderFields): string
}

export interface SessionOptions {
  readonly origin: string
  /** What the paths of the log begin with. */
  readonly prefix: string
  /** Milliseconds on a clock that only goes forward. */
  readonly now?: () => number
}

const MAX_SESSIONS = 1_000
const LIFETIME_S = 8 * 3_600

export function explorerSessions({
  origin,
  prefix,
  now = () => performance.now(),
}: SessionOptions): ExplorerSessions {
  // Cookies are shared between ports; logs of one host tell theirs apart.
  const name = `cairn-${toHex(sha256(utf8(origin)).subarray(0, 4))}`
  const rest = `; Path=${prefix}/; HttpOnly; SameSite=Strict`
  /** In the order in which they began, and so in which they end. */
  const sessions = new Map<string, { readonly token: string; readonly ends: number }>()

  const idOf = ({ cookie }: HeaderFields): string | undefined => {
    const fields = typeof cookie === 'string' ? cookie : (cookie?.join('; ') ?? '')
    const own = fields.split(/;\s*/).find((one) => one.startsWith(`${name}=`))
    return own?.slice(name.length + 1)
  }
  return {
    begin(token, secure) {
      for (const [id, { ends }] of sessions) {
        if (ends > now() && sessions.size < MAX_SESSIONS) break
        sessions.delete(id)
      }
      const id = toBase64Url(randomBytes(32))
      sessions.set(id, { token, ends: now() + LIFETIME_S * 1_000 })
      return `${name}=${id}${rest}; Max-Age=${LIFETIME_S}${secure ? '; Secure' : ''}`
    },
    authorization(headers) {
      const session = sessions.get(idOf(headers) ?? '')
      return session !== undefined && session.ends > now() ? `Bearer ${session.token}` : undefined
    },
    end(headers) {
      sessions.delete(idOf(headers) ?? '')
      return `${name}=${rest}; Max-Age=0`
    },
  }
}
