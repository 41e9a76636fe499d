/** Certificates as values: the form only; test/client/verify-time-stamp.test.ts has the rules. */
import { Integer } from 'asn1js'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { CairnError } from '../../src/errors.ts'
import {
  nameInWords,
  parseCertificate,
  parseCertificates,
  sameCertificate,
} from '../../src/formats/certificate.ts'
import {
  basicConstraints,
  derOf,
  extension,
  type Identity,
  identity,
  issuing,
  keyUsage,
  pemOf,
  STAMPED_AT,
  TIME_STAMPING,
  timeStamping,
  unknownExtension,
} from '../support/time-stamps.ts'

let root: Identity
let signer: Identity

beforeAll(async () => {
  root = await identity({ name: 'Root', extensions: issuing(1) })
  signer = await identity({
    name: 'TSA',
    issuer: root,
    extensions: [...timeStamping(), unknownExtension(true)],
    notAfter: STAMPED_AT,
  })
})

describe('a certificate', () => {
  it('is read with its names, times and extensions', () => {
    expect(nameInWords(root.parsed.subject)).toBe('CN=Root')
    expect(root.parsed.authority).toEqual({ maxBelow: 1 })
    expect(root.parsed.extendedKeyUsage).toBeUndefined()
    expect(nameInWords(signer.parsed.issuer)).toBe('CN=Root')
    expect(signer.parsed.notAfter).toBe(STAMPED_AT)
    expect(signer.parsed.authority).toBeUndefined()
    expect(signer.parsed.keyUsage).toEqual({
      digitalSignature: true,
      nonRepudiation: false,
      certificateSigning: false,
    })
    expect(signer.parsed.extendedKeyUsage).toEqual({ critical: true, purposes: [TIME_STAMPING] })
    expect(signer.parsed.unknownCritical).toEqual(['1.3.6.1.4.1.55555.1'])
    expect(signer.parsed.der).toEqual(derOf(signer.certificate))
  })

  it.each<[string, () => Parameters<typeof identity>[0]['extensions'], RegExp]>([
    ['an extension twice', () => [keyUsage(0x80), keyUsage(0x04)], /2\.5\.29\.15 twice/],
    [
      'an extension that is no ASN.1',
      () => [extension('2.5.29.19', true, Uint8Array.of(0x30, 0x05).buffer)],
      /2\.5\.29\.19 of certificate is not ASN\.1/,
    ],
    [
      'an extension of another form',
      () => [extension('2.5.29.37', true, new Integer({ value: 1 }).toBER())],
      /2\.5\.29\.37 of certificate cannot be read/,
    ],
    [
      'an extension that is followed by bytes',
      () => [extension('2.5.29.15', true, Uint8Array.of(3, 2, 7, 128, 0).buffer)],
      /followed by other bytes/,
    ],
    ['a negative path length', () => [basicConstraints(true, -1)], /path length/],
    [
      'a huge path length',
      () => [
        extension(
          '2.5.29.19',
          true,
          Uint8Array.of(48, 12, 1, 1, 255, 2, 7, 1, 0, 0, 0, 0, 0, 0).buffer,
        ),
      ],
      /path length/,
    ],
  ])('is refused with %s', async (_, extensions, reason) => {
    await expect(identity({ name: 'X', extensions: extensions()! })).rejects.toThrow(reason)
  })

  it('is refused when it names two signature algorithms', async () => {
    const { certificate } = await identity({ name: 'X', hash: 'SHA-384' })
    const der = derOf(certificate)
    const inner = Buffer.from(der).indexOf(Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3))
    der[inner + 7] = 2
    expect(() => parseCertificate(der)).toThrow(/two different signature algorithms/)
  })

  it('is refused when it is not DER', () => {
    const der = derOf(root.certificate)
    const header = der.subarray(0, 2)
    expect([...header]).toEqual([0x30, 0x82])
    const longer = Uint8Array.of(0x30, 0x83, 0, ...der.subarray(2))
    expect(() => parseCertificate(longer)).toThrow(/is not DER/)
    const indefinite = Uint8Array.of(0x30, 0x80, ...der.subarray(4), 0, 0)
    expect(() => parseCertificate(indefinite)).toThrow(/is not DER/)
  })

  it('gives the reader nothing to throw but errors of ours', () => {
    const der = derOf(signer.certificate)
    const part = fc.nat(der.length)
    fc.assert(
      fc.property(part, part, fc.uint8Array({ maxLength: 8 }), (from, to, middle) => {
        try {
          parseCertificate(Uint8Array.of(...der.subarray(0, from), ...middle, ...der.subarray(to)))
        } catch (error) {
          expect(error).toBeInstanceOf(CairnError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a file of certificates', () => {
  it('may hold several, with text around them', () => {
    const text = `# Root\n${pemOf(root.parsed.der)}\nsome text\n${pemOf(signer.parsed.der)}`
    const found = parseCertificates(utf8(text))
    expect(found).toHaveLength(2)
    expect(sameCertificate(found[0]!, root.parsed)).toBe(true)
    expect(sameCertificate(found[1]!, root.parsed)).toBe(false)
  })

  it.each<[string, (pem: string) => string, RegExp]>([
    ['is empty', () => '', /no PEM certificate/],
    ['is cut off', (pem) => pem + pem.slice(0, -10), /something else than whole/],
    ['holds a key', (pem) => `${pem}-----BEGIN PRIVATE KEY-----\n`, /something else than whole/],
    ['has bad base64', (pem) => pem.replace(/\n(.)/, '\n=$1'), /not canonical base64/],
    ['has something else inside', (pem) => pem.replace(/\n[^-]*\n-/, '\nAAAA\n-'), /certificate/],
  ])('is refused when it %s', (_, change, reason) => {
    expect(() => parseCertificates(utf8(change(pemOf(root.parsed.der))))).toThrow(reason)
  })
})
