/** Who is who at a log: its tokens, and those of an OpenID Connect issuer. */
import { type Authenticate, orAnyone } from '../http/authenticate.ts'
import type { TokenStore } from '../storage/token-port.ts'
import type { LogConfig } from './config.ts'
import { type OidcEvent, openOidc, orOidc } from './oidc.ts'
import { openTokens, type TokenEvent, type TokenFiles } from './token-file.ts'

export type AccessEvent = TokenEvent | OidcEvent

export interface Access {
  /** Everyone who may ask, and anyone where the log is open to all. */
  readonly authenticate: Authenticate
  /** Those only who are known by a token. */
  readonly knownOnly: Authenticate
  close(): Promise<void>
}

/** @throws USAGE when a file of keys cannot be used; CORRUPT, IO */
export async function openAccess(
  files: TokenFiles,
  { tenant, oidc: issuer, open }: Pick<LogConfig, 'tenant' | 'oidc' | 'open'>,
  onEvent: (event: AccessEvent) => void,
  /** Where tokens are kept that several servers share. */
  store?: TokenStore,
): Promise<Access> {
  const oidc = issuer && (await openOidc(issuer, { tenant, onEvent }))
  try {
    const tokens = await openTokens(files, { tenant, onEvent, ...(store && { store }) })
    const knownOnly = oidc === undefined ? tokens.authenticate : orOidc(tokens.authenticate, oidc)
    return {
      authenticate: open ? orAnyone(knownOnly, tenant) : knownOnly,
      knownOnly,
      async close() {
        await tokens.close()
        await oidc?.close()
      },
    }
  } catch (error) {
    await oidc?.close()
    throw error
  }
}
