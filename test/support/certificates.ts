/** Authorities and certificates of openssl's, for servers that speak TLS. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface TestAuthority {
  /** Its certificate, in PEM. */
  readonly caFile: string
  /** Makes a key and a certificate for hosts such as `DNS:localhost` or `IP:127.0.0.1`. */
  certify(name: string, hosts: string): Promise<{ readonly cert: string; readonly key: string }>
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Makes one in a folder, with files that begin with `name`. */
export async function testAuthority(folder: string, name: string): Promise<TestAuthority> {
  const file = (part: string): string => join(folder, part)
  const [caFile, caKey] = [file(`${name}.pem`), file(`${name}.key`)]
  const own = ['-x509', '-days', '2', '-subj', `/CN=${name}`, '-keyout', caKey, '-out', caFile]
  await run('openssl', ['req', ...NEW_KEY, ...own])
  return {
    caFile,
    async certify(subject, hosts) {
      const [cert, key, asked] = [`${subject}.pem`, `${subject}.key`, `${subject}.csr`].map(file)
      await run('openssl', [
        'req',
        ...NEW_KEY,
        '-subj',
        '/CN=test',
        '-keyout',
        key!,
        '-out',
        asked!,
      ])
      await writeFile(file(`${subject}.ext`), `subjectAltName=${hosts}\n`)
      const by = ['-CA', caFile, '-CAkey', caKey, '-CAcreateserial', '-days', '2']
      const how = ['-extfile', file(`${subject}.ext`), '-out', cert!]
      await run('openssl', ['x509', '-req', '-in', asked!, ...by, ...how])
      return { cert: cert!, key: key! }
    },
  }
}
