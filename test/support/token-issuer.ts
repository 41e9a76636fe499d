/** A token issuer on this machine: real keys, real JWTs, and a real HTTP server that gives the keys away. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export const ISSUER = 'https://login.example.org'
export const AUDIENCE = 'cairn'

export interface IssuerKey {
  readonly kid: string | undefined
  readonly alg: string
  readonly jwk: JWK
  readonly privateKey: CryptoKey
}

export async function issuerKey(kid: string | undefined, alg = 'ES256'): Promise<IssuerKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = {
    ...(await exportJWK(publicKey)),
    alg,
    use: 'sig',
    ...(kid !== undefined && { kid }),
  }
  return { kid, alg, jwk, privateKey }
}

export interface TokenOptions {
  readonly claims?: Readonly<Record<string, unknown>>
  /** Seconds since 1970; in an hour when left out. */
  readonly expires?: number
  readonly header?: Readonly<Record<string, unknown>>
}

/** A token of the issuer for ann, an auditor, unless told otherwise. A claim that is undefined is left out. */
export function signedToken(
  key: Pick<IssuerKey, 'kid' | 'alg' | 'privateKey'>,
  { claims = {}, expires = Math.floor(Date.now() / 1000) + 3_600, header = {} }: TokenOptions = {},
): Promise<string> {
  const payload = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'u-1',
    email: 'ann@example.com',
    groups: ['auditors'],
    exp: expires,
    ...claims,
  }
  return new SignJWT(payload)
    .setProtectedHeader({ alg: key.alg, ...(key.kid !== undefined && { kid: key.kid }), ...header })
    .sign(key.privateKey)
}

export interface TokenIssuer {
  readonly url: string
  /** Requests so far. */
  requests(): number
  /** What is answered from now on: keys, another status, any text; `hang` says nothing at all. */
  give(answer: readonly JWK[] | number | string | 'hang'): void
  close(): Promise<void>
  /** Listens again at the same address. */
  open(): Promise<void>
}

export async function tokenIssuer(keys: readonly JWK[]): Promise<TokenIssuer> {
  let answer: readonly JWK[] | number | string = keys
  let requests = 0
  let port = 0
  let server: Server
  async function open(): Promise<void> {
    server = createServer((_, response) => {
      requests++
      if (answer === 'hang') return
      if (typeof answer === 'number') response.writeHead(answer, { location: '/elsewhere' }).end()
      else response.end(typeof answer === 'string' ? answer : JSON.stringify({ keys: answer }))
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  }
  await open()
  return {
    url: `http://127.0.0.1:${port}/keys`,
    requests: () => requests,
    give: (next) => {
      answer = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
    open,
  }
}
