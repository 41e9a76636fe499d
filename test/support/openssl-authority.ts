/** A time-stamp authority of openssl's (`openssl ts`) behind HTTP, with a certificate authority of its own. */
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Whether openssl is here. Without it tests that need it say so and are skipped, except where all has to be run. */
export function hasOpenssl(): boolean {
  const found = spawnSync('openssl', ['version']).status === 0
  if (!found && process.env.CI === 'true')
    throw new Error('openssl has to be here, for time-stamps')
  if (!found) console.warn('openssl is not here: its time-stamps are not tested')
  return found
}

export interface OpensslAuthority {
  readonly url: string
  /** PEM file of the root certificate. */
  readonly caFile: string
  /** Queries answered. */
  readonly answered: () => number
  /** Answers in another way, until it is called without anything. */
  answerBy(other?: (query: Uint8Array, response: ServerResponse) => unknown): void
  /** What openssl answers to a query. */
  reply(query: Uint8Array): Promise<Uint8Array>
  close(): Promise<void>
}

const CONFIG = `
[ca]
default_ca = own
[own]
dir = .
database = ./index.txt
serial = ./ca.serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
organizationName = supplied
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[between]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
serial = ./tsa.serial
signer_cert = ./tsa.pem
signer_key = ./tsa.key
certs = ./between.pem
signer_digest = sha256
default_policy = 1.3.6.1.4.1.55555.3
digests = sha256
accuracy = secs:1, millisecs:500
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`

const FROM = '20200101000000Z'
const TO = '20400101000000Z'

/** Makes keys and certificates, and serves. */
export async function opensslAuthority(): Promise<OpensslAuthority> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-tsa-'))
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  await writeFile(join(folder, 'openssl.cnf'), CONFIG)
  await writeFile(join(folder, 'index.txt'), '')
  await writeFile(join(folder, 'ca.serial'), '1000\n')
  await writeFile(join(folder, 'tsa.serial'), '01\n')
  const config = ['-config', 'openssl.cnf']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const subject = (name: string) => ['-subj', `/O=Time of Day/CN=${name}`]
  const period = ['-startdate', FROM, '-enddate', TO, '-notext', '-batch']
  const request = (name: string, words: string, key: readonly string[]) => {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.csr`]
    openssl('req', '-new', ...key, ...files, ...subject(words), ...config)
  }
  const issue = (name: string, extensions: string, issuer: readonly string[]) => {
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extensions', extensions]
    openssl('ca', ...config, ...files, ...issuer, ...period)
  }
  request('root', 'Root', curve)
  issue('root', 'root', ['-selfsign', '-keyfile', 'root.key'])
  request('between', 'Intermediate', curve)
  issue('between', 'between', ['-cert', 'root.pem', '-keyfile', 'root.key'])
  request('tsa', 'Time-Stamp Unit 1', ['-newkey', 'rsa:2048', '-nodes'])
  issue('tsa', 'authority', ['-cert', 'between.pem', '-keyfile', 'between.key'])

  let asked = 0
  async function reply(query: Uint8Array): Promise<Uint8Array> {
    const [queryFile, replyFile] = [`${++asked}.tsq`, `${asked}.tsr`]
    await writeFile(join(folder, queryFile), query)
    const files = ['-queryfile', queryFile, '-out', replyFile]
    await run('openssl', ['ts', '-reply', ...config, '-section', 'tsa', ...files], { cwd: folder })
    return readFile(join(folder, replyFile))
  }

  let answered = 0
  let answer: Parameters<OpensslAuthority['answerBy']>[0]
  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const query = Buffer.concat(await incoming.toArray())
    if (answer !== undefined) {
      await answer(query, response)
      return
    }
    const { headers, method } = incoming
    if (method !== 'POST' || headers['content-type'] !== 'application/timestamp-query') {
      response.writeHead(415).end()
      return
    }
    const body = await reply(query)
    answered++
    response.writeHead(200, { 'content-type': 'application/timestamp-reply' }).end(body)
  }
  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/tsa`,
    caFile: join(folder, 'root.pem'),
    answered: () => answered,
    answerBy(other) {
      answer = other
    },
    reply,
    async close() {
      server.closeAllConnections()
      server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
