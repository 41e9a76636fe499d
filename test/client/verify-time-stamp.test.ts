/** Time-stamps made to order: what is accepted, and for each rule one that breaks it and nothing else. */
import { Constructed, Integer, ObjectIdentifier, OctetString, Primitive, Sequence } from 'asn1js'
import fc from 'fast-check'
import { Accuracy, GeneralName } from 'pkijs'
import { beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import {
  type TimeStampToVerify,
  type TimeStampVerdict,
  timeInWords,
  verifyTimeStamp,
} from '../../src/client/verify-time-stamp.ts'
import { CairnError } from '../../src/errors.ts'
import { nonceFrom, parseTimeStampResponse } from '../../src/formats/time-stamp.ts'
import {
  attribute,
  basicConstraints,
  extendedKeyUsage,
  extension,
  type Identity,
  identity,
  issuing,
  keyUsage,
  nameOf,
  SERVER_AUTH,
  SHA1,
  STAMPED_AT,
  type StampOptions,
  stamp,
  statement,
  TIME_STAMPING,
  timeStamping,
  unknownExtension,
} from '../support/time-stamps.ts'

const DATA = utf8('a checkpoint\n')
const DAY = 86_400_000

let root: Identity
let authority: Identity

beforeAll(async () => {
  root = await identity({ name: 'Root', extensions: issuing() })
  authority = await identity({ name: 'TSA', issuer: root, extensions: timeStamping() })
})

async function verdictOn(
  options: Partial<StampOptions> = {},
  changes: Partial<TimeStampToVerify> = {},
): Promise<TimeStampVerdict> {
  const response = await stamp({ signer: authority, data: DATA, ...options })
  return verifyTimeStamp({ data: DATA, response, anchors: [root.parsed], ...changes })
}

/** That the first check that fails is this one, for this reason, and nothing is said to be proven. */
function expectRefused(verdict: TimeStampVerdict, name: string, reason: RegExp): void {
  const failed = verdict.checks.filter(({ status }) => status === 'failed')
  expect(failed.map((check) => check.name)).toEqual([name])
  expect(failed[0]!.detail).toMatch(reason)
  expect(verdict.ok).toBe(false)
  expect(verdict.proven).toBeUndefined()
  const after = verdict.checks.slice(verdict.checks.indexOf(failed[0]!) + 1)
  expect(after.every(({ status }) => status === 'skipped')).toBe(true)
  expect(verdict.checks).toHaveLength(4)
}

/** A time-stamp by an authority with another certificate. */
async function verdictOnSigner(
  options: Omit<Parameters<typeof identity>[0], 'name' | 'issuer'>,
): Promise<TimeStampVerdict> {
  return verdictOn({ signer: await identity({ name: 'TSA', issuer: root, ...options }) })
}

describe('a good time-stamp', () => {
  it('proves a time, and says by whom', async () => {
    const { ok, proven, checks } = await verdictOn()
    expect(checks.map(({ status }) => status)).toEqual(['held', 'held', 'held', 'held'])
    expect(ok).toBe(true)
    expect(proven).toEqual({
      time: STAMPED_AT,
      authority: 'CN=TSA',
      serialNumber: '07',
      policy: '1.3.6.1.4.1.55555.2',
    })
    expect(timeInWords(proven!)).toBe('15 January 2026, 12:00:00 UTC')
    expect(timeInWords({ time: STAMPED_AT + 250, accuracyMs: 1500 })).toBe(
      '15 January 2026, 12:00:00.250 UTC, give or take 1.5 seconds',
    )
  })

  it('may be granted with changes (status 1)', async () => {
    expect((await verdictOn({ status: 1 })).ok).toBe(true)
  })

  it('answers a request with its nonce', async () => {
    const nonce = nonceFrom(Uint8Array.of(0xff, 2, 3, 4, 5, 6, 7, 8))
    expect((await verdictOn({ nonce }, { nonce })).ok).toBe(true)
  })

  it('may name its certificate in the old way, by SHA-1, or in both ways', async () => {
    expect((await verdictOn({ ess: { v1: true } })).ok).toBe(true)
    expect((await verdictOn({ ess: { v1: true, v2: true } })).ok).toBe(true)
  })

  it('may name its authority', async () => {
    const name = new GeneralName({ type: 4, value: nameOf('TSA') })
    expect((await verdictOn({ authority: name })).ok).toBe(true)
  })

  it('may say how exact it is, down to millionths of a second', async () => {
    const accuracy = new Accuracy({ seconds: 2, millis: 30, micros: 400 })
    expect((await verdictOn({ accuracy })).proven?.accuracyMs).toBe(2030.4)
  })

  it('may name issuer and serial number beside the hash of its certificate', async () => {
    const { serialNumber } = authority.certificate
    const issuerSerial = new Sequence({ value: [new Sequence({ value: [] }), serialNumber] })
    expect((await verdictOn({ ess: { v2: true, issuerSerial } })).ok).toBe(true)
  })

  it('may name its certificate by the identifier of the key', async () => {
    const keyId = new Primitive({
      idBlock: { tagClass: 3, tagNumber: 0 },
      valueHex: new Uint8Array(20).buffer,
    })
    expect((await verdictOn({ keyId })).ok).toBe(true)
  })

  it('may be BER around what is signed', async () => {
    const der = await stamp({ signer: authority, data: DATA })
    expect([...der.subarray(0, 2)]).toEqual([0x30, 0x82])
    const response = Uint8Array.of(0x30, 0x80, ...der.subarray(4), 0, 0)
    expect((await verifyTimeStamp({ data: DATA, response, anchors: [root.parsed] })).ok).toBe(true)
  })

  it('may leave out its certificate, when that is one of those trusted', async () => {
    const verdict = await verdictOn({ certificates: [] }, { anchors: [authority.parsed] })
    expect(verdict.ok).toBe(true)
    expect(verdict.checks[3]!.detail).toMatch(/is one of those you trust/)
  })

  it('may come by certificates between', async () => {
    const between = await identity({ name: 'Between', issuer: root, extensions: issuing(0) })
    const signer = await identity({ name: 'TSA', issuer: between, extensions: timeStamping() })
    const certificates = [between.certificate, signer.certificate]
    const verdict = await verdictOn({ signer, certificates })
    expect(verdict.ok).toBe(true)
    expect(verdict.checks[3]!.detail).toMatch(/by CN=Between, by CN=Root/)
  })

  it.each([
    ['P-384', 'SHA-384'],
    ['RSA-2048', 'SHA-256'],
    ['RSA-2048', 'SHA-512'],
    ['RSA-PSS', 'SHA-256'],
  ] as const)('may be signed by %s with %s', async (algorithm, hash) => {
    const signer = await identity({
      name: 'TSA',
      issuer: root,
      algorithm,
      extensions: timeStamping(),
    })
    expect((await verdictOn({ signer, hash })).checks.map(({ detail }) => detail)).toMatchObject({
      2: 'CN=TSA has signed it',
    })
    expect((await verdictOn({ signer, hash })).ok).toBe(true)
  })

  it('may have a signer whose certificate says nothing of key usage', async () => {
    const extensions = [extendedKeyUsage(true, TIME_STAMPING)]
    expect((await verdictOnSigner({ extensions })).ok).toBe(true)
  })
})

describe('a response that is no time-stamp', () => {
  const refuse = async (response: Uint8Array, reason: RegExp) =>
    expectRefused(
      await verifyTimeStamp({ data: DATA, response, anchors: [root.parsed] }),
      'time-stamp',
      reason,
    )

  it('is refused when the authority refused', async () => {
    const verdict = await verdictOn({ status: 2, statusText: 'too busy', withoutToken: true })
    expectRefused(verdict, 'time-stamp', /the time-stamp authority refused: status 2, "too busy"/)
  })

  it('is refused when the authority refused, even with a token', async () => {
    expectRefused(await verdictOn({ status: 2 }), 'time-stamp', /refused: status 2/)
  })

  it('is refused without a token', async () => {
    expectRefused(await verdictOn({ withoutToken: true }), 'time-stamp', /has no token/)
  })

  it('is refused when it is garbage', async () => {
    await refuse(utf8('<html>not found</html>'), /not ASN\.1|followed by|form/)
    await refuse(new Uint8Array(), /not ASN\.1/)
    await refuse(Uint8Array.of(0x30, 0), /form/)
  })

  it('is refused when bytes follow, or are missing', async () => {
    const whole = await stamp({ signer: authority, data: DATA })
    await refuse(Uint8Array.of(...whole, 0), /followed by other bytes/)
    await refuse(whole.subarray(0, -1), /not ASN\.1/)
  })

  it('is refused when a value reaches beyond the one that it is in', async () => {
    await refuse(Uint8Array.of(0x30, 0x04, 0x30, 0x02, 0x02, 0x01, 0x00), /does not fit|form/)
    await refuse(Uint8Array.of(0x30, 0x04, 0x30, 0x03, 0x02, 0x01, 0x00), /does not fit/)
  })

  it('is refused when it is huge, or nested deeply', async () => {
    await refuse(new Uint8Array(262_145).fill(0x30), /larger than 262144 bytes/)
    const nested = Uint8Array.from({ length: 2_000 }, (_, i) => (i % 2 === 0 ? 0x30 : 0x80))
    await refuse(nested, /not ASN\.1/)
  })

  it('is refused when the signature is over something else than a time-stamp', async () => {
    const verdict = await verdictOn({ contentType: '1.2.840.113549.1.7.1' })
    expectRefused(verdict, 'time-stamp', /does not hold a time-stamp/)
  })

  it('is refused when it is no signed data', async () => {
    const verdict = await verdictOn({ tokenType: '1.2.840.113549.1.7.1' })
    expectRefused(verdict, 'time-stamp', /token is not signed data/)
  })

  it.each([{ seconds: 1, millis: 1000 }, { seconds: -1 }, { micros: 2000 }])(
    'is refused when its accuracy is %j',
    async (accuracy) => {
      const verdict = await verdictOn({ accuracy: new Accuracy(accuracy) })
      expectRefused(verdict, 'time-stamp', /accuracy of the time-stamp is out of range/)
    },
  )

  it('is refused when it does not say whose signature it has', async () => {
    const keyId = new Constructed({
      idBlock: { tagClass: 3, tagNumber: 0 },
      value: [new OctetString({ valueHex: new Uint8Array(20).buffer })],
    })
    expectRefused(await verdictOn({ keyId }), 'time-stamp', /does not say whose signature|form/)
  })

  it('is refused with two signatures', async () => {
    expectRefused(await verdictOn({ signers: 2 }), 'time-stamp', /has 2 signatures, not one/)
  })

  it('is refused without signed attributes', async () => {
    const verdict = await verdictOn({ attributes: () => [] })
    expectRefused(verdict, 'time-stamp', /no signed attributes|form/)
  })

  it.each<[string, StampOptions['attributes'], RegExp]>([
    ['no content type', ({ contentType: _, ...rest }) => Object.values(rest), /as something else/],
    [
      'another content type',
      (given) => [
        attribute('1.2.840.113549.1.9.3', new ObjectIdentifier({ value: '1.2.3' })),
        ...Object.values(given).slice(1),
      ],
      /as something else/,
    ],
    ['no digest', ({ messageDigest: _, ...rest }) => Object.values(rest), /no message digest/],
    [
      'a digest twice',
      (given) => [...Object.values(given), given.messageDigest!],
      /attribute 1\.2\.840\.113549\.1\.9\.4 twice/,
    ],
    [
      'an attribute with two values',
      (given) => [
        ...Object.values(given),
        attribute('1.2.3', new Integer({ value: 1 }), new Integer({ value: 2 })),
      ],
      /does not have one value/,
    ],
    [
      'an unreadable certificate identifier',
      ({ v2: _, ...rest }) => [
        ...Object.values(rest),
        attribute('1.2.840.113549.1.9.16.2.47', new Sequence({ value: [] })),
      ],
      /signing certificate .* cannot be read/,
    ],
  ])('is refused with %s', async (_, attributes, reason) => {
    expectRefused(await verdictOn({ ...(attributes && { attributes }) }), 'time-stamp', reason)
  })

  it('is refused when its statement is of another version', async () => {
    expectRefused(await verdictOn({ version: 2 }), 'time-stamp', /version 2, not 1/)
  })

  it('is refused with a critical extension that is unknown', async () => {
    const verdict = await verdictOn({ extensions: [unknownExtension(true)] })
    expectRefused(verdict, 'time-stamp', /unknown critical extension 1\.3\.6\.1\.4\.1\.55555\.1/)
    expect((await verdictOn({ extensions: [unknownExtension(false)] })).ok).toBe(true)
  })

  it.each([
    '20260115120000',
    '202601151200Z',
    '20260115120000+0100',
    '20260115120000.100Z',
    '20260115120000.Z',
    '20260230120000Z',
    '20260115250000Z',
    ' 20260115120000Z',
  ])('is refused when the time is written as %j', async (timeText) => {
    const verdict = await verdictOn({ timeText })
    expectRefused(verdict, 'time-stamp', /time of (the )?time-stamp|form|ASN\.1/)
  })

  it('is refused when its statement is followed by bytes, or not DER', async () => {
    const longer = await verdictOn({ content: (der) => Uint8Array.of(...der, 5, 0) })
    expectRefused(longer, 'time-stamp', /followed by other bytes/)
    // The same with a length that is written with one byte more than it needs.
    const [tag, ...rest] = await statement({ signer: authority, data: DATA })
    expect(rest[0]).toBeLessThan(0x80)
    const verdict = await verdictOn({ content: () => Uint8Array.of(tag!, 0x81, ...rest) })
    expectRefused(verdict, 'time-stamp', /not DER/)
  })

  it('is refused with a maze of certificates', async () => {
    const certificates = Array.from({ length: 17 }, () => authority.certificate)
    expectRefused(await verdictOn({ certificates }), 'time-stamp', /more than 16 certificates/)
  })
})

describe('a time-stamp of something else', () => {
  it('is refused when the bytes are others', async () => {
    const verdict = await verdictOn({}, { data: utf8('another checkpoint\n') })
    expectRefused(verdict, 'time-stamped data', /it is for other bytes/)
  })

  it('is refused when the hash is SHA-1', async () => {
    const verdict = await verdictOn({ imprintAlgorithm: SHA1 })
    expectRefused(verdict, 'time-stamped data', /is not one of SHA-2/)
  })

  it('is refused when the nonce is another, or missing', async () => {
    const nonce = nonceFrom(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    const other = nonceFrom(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9))
    expectRefused(await verdictOn({ nonce: other }, { nonce }), 'time-stamped data', /the nonce/)
    expectRefused(await verdictOn({}, { nonce }), 'time-stamped data', /the nonce/)
  })
})

describe('the signature', () => {
  it('is refused when the statement was changed after it', async () => {
    const response = await stamp({ signer: authority, data: DATA })
    const time = Buffer.from(response).indexOf('20260115120000Z')
    expect(time).toBeGreaterThan(0)
    response[time + 3] = '5'.charCodeAt(0)
    const verdict = await verifyTimeStamp({ data: DATA, response, anchors: [root.parsed] })
    expectRefused(verdict, 'time-stamp signature', /the hashes differ/)
  })

  it('is refused when it is by another key', async () => {
    const other = await identity({ name: 'TSA', issuer: root, extensions: timeStamping() })
    const signer = { ...authority, key: other.key }
    expectRefused(await verdictOn({ signer }), 'time-stamp signature', /the signature is not valid/)
  })

  it('is refused when it names no certificate by hash', async () => {
    const verdict = await verdictOn({ ess: {} })
    expectRefused(verdict, 'time-stamp signature', /does not name the certificate/)
  })

  it('is refused when it names another certificate by hash', async () => {
    const other = await identity({ name: 'TSA', issuer: root, extensions: timeStamping() })
    const verdict = await verdictOn({ ess: { v2: true, of: other.certificate } })
    expectRefused(verdict, 'time-stamp signature', /neither in it nor among those trusted/)
  })

  it('is refused when it names another serial number beside the hash', async () => {
    const other = new Integer({ value: 99 })
    const issuerSerial = new Sequence({ value: [new Sequence({ value: [] }), other] })
    const verdict = await verdictOn({ ess: { v2: true, issuerSerial } })
    expectRefused(verdict, 'time-stamp signature', /neither in it nor among those trusted/)
    const unreadable = new Sequence({ value: [new Sequence({ value: [] })] })
    expectRefused(
      await verdictOn({ ess: { v2: true, issuerSerial: unreadable } }),
      'time-stamp',
      /signing certificate .* cannot be read/,
    )
  })

  it('is refused when issuer and serial number are those of another certificate', async () => {
    const other = await identity({ name: 'TSA', issuer: root, extensions: timeStamping() })
    const verdict = await verdictOn({ sid: other.certificate })
    expectRefused(verdict, 'time-stamp signature', /names two different certificates/)
  })

  it('is refused when its certificate is not there', async () => {
    const verdict = await verdictOn({ certificates: [root.certificate] })
    expectRefused(verdict, 'time-stamp signature', /neither in it nor among those trusted/)
  })

  it('is refused with SHA-1', async () => {
    expectRefused(await verdictOn({ hash: 'SHA-1' }), 'time-stamp signature', /not one of SHA-2/)
  })

  it('is refused with a short RSA key', async () => {
    const verdict = await verdictOnSigner({ algorithm: 'RSA-1024', extensions: timeStamping() })
    expectRefused(verdict, 'time-stamp signature', /an RSA key of 1024 bits is too short/)
  })
})

describe('the authority', () => {
  const NAME = 'time-stamp authority'

  it('is refused without a purpose', async () => {
    const verdict = await verdictOnSigner({ extensions: [keyUsage(0x80)] })
    expectRefused(verdict, NAME, /the key of CN=TSA is not for time-stamps/)
  })

  it('is refused with another purpose', async () => {
    const verdict = await verdictOnSigner({ extensions: [extendedKeyUsage(true, SERVER_AUTH)] })
    expectRefused(verdict, NAME, /is not for time-stamps$/)
  })

  it('is refused with more purposes', async () => {
    const extensions = [extendedKeyUsage(true, TIME_STAMPING, SERVER_AUTH)]
    expectRefused(await verdictOnSigner({ extensions }), NAME, /not for time-stamps alone/)
  })

  it('is refused when the purpose is not critical', async () => {
    const extensions = [extendedKeyUsage(false, TIME_STAMPING)]
    expectRefused(await verdictOnSigner({ extensions }), NAME, /not marked as critical/)
  })

  it('is refused when its key is for something else than signatures', async () => {
    const extensions = [keyUsage(0x20), extendedKeyUsage(true, TIME_STAMPING)]
    expectRefused(await verdictOnSigner({ extensions }), NAME, /is not for signatures/)
  })

  it('is refused when the statement names another', async () => {
    const name = new GeneralName({ type: 4, value: nameOf('Somebody') })
    expectRefused(await verdictOn({ authority: name }), NAME, /by CN=Somebody, but is by CN=TSA/)
  })

  it('is refused when nobody trusted has certified it', async () => {
    const stranger = await identity({ name: 'Stranger', extensions: issuing() })
    const verdict = await verdictOn({}, { anchors: [stranger.parsed] })
    expectRefused(verdict, NAME, /no trusted certificate leads to it: that of CN=Root is missing/)
  })

  it('is refused when only somebody of the same name is trusted', async () => {
    const double = await identity({ name: 'Root', extensions: issuing() })
    const verdict = await verdictOn({}, { anchors: [double.parsed] })
    expectRefused(verdict, NAME, /CN=Root has not issued the certificate of CN=TSA/)
  })

  it('is refused when its certificate was signed with SHA-1', async () => {
    const extensions = timeStamping()
    const verdict = await verdictOnSigner({ extensions, hash: 'SHA-1' })
    expectRefused(verdict, NAME, /signatures of the kind 1\.2\.840\.10045\.4\.1 .* not supported/)
  })

  it('is refused when it was certified by a short RSA key', async () => {
    const weak = await identity({ name: 'Weak', algorithm: 'RSA-1024', extensions: issuing() })
    const signer = await identity({ name: 'TSA', issuer: weak, extensions: timeStamping() })
    const verdict = await verdictOn({ signer }, { anchors: [weak.parsed] })
    expectRefused(verdict, NAME, /an RSA key of 1024 bits is too short/)
  })

  it('finds the right one of two certificates of one name', async () => {
    const double = await identity({ name: 'Root', extensions: issuing() })
    expect((await verdictOn({}, { anchors: [double.parsed, root.parsed] })).ok).toBe(true)
  })

  it('is refused without any certificate that is trusted', async () => {
    expectRefused(await verdictOn({}, { anchors: [] }), NAME, /no trusted certificate/)
  })

  it('is refused before its certificate begins and after it ends', async () => {
    const extensions = timeStamping()
    const early = await verdictOnSigner({ extensions, notBefore: STAMPED_AT + DAY })
    expectRefused(early, NAME, /certificate of CN=TSA is valid only from 2026-01-16/)
    const late = await verdictOnSigner({ extensions, notAfter: STAMPED_AT - DAY })
    expectRefused(late, NAME, /certificate of CN=TSA expired on 2026-01-14/)
  })

  it('is accepted although its certificate has expired since: what counts is the time in it', async () => {
    const signer = await identity({
      name: 'TSA',
      issuer: root,
      extensions: timeStamping(),
      notBefore: Date.UTC(2025, 11, 1),
      notAfter: Date.UTC(2026, 1, 1),
    })
    expect((await verdictOn({ signer })).ok).toBe(true)
  })

  it('is refused when the trusted certificate had expired', async () => {
    const old = await identity({
      name: 'Old root',
      extensions: issuing(),
      notAfter: STAMPED_AT - DAY,
    })
    const signer = await identity({ name: 'TSA', issuer: old, extensions: timeStamping() })
    const verdict = await verdictOn({ signer }, { anchors: [old.parsed] })
    expectRefused(verdict, NAME, /certificate of CN=Old root expired/)
  })

  it.each<[string, () => Parameters<typeof identity>[0]['extensions'], RegExp]>([
    ['is no authority', () => [keyUsage(0x06)], /CN=Between may not issue certificates/],
    ['says that it is none', () => [basicConstraints(false)], /may not issue certificates/],
    ['may not sign certificates', () => [basicConstraints(true), keyUsage(0x80)], /may not sign/],
    [
      'is for other purposes',
      () => [...issuing(), extendedKeyUsage(false, SERVER_AUTH)],
      /below CN=Between are not for this purpose/,
    ],
    [
      'has a critical extension that is unknown',
      () => [...issuing(), unknownExtension(true)],
      /the critical extension 1\.3\.6\.1\.4\.1\.55555\.1, which is not supported/,
    ],
    [
      'constrains names',
      () => [...issuing(), extension('2.5.29.30', true, new Sequence({ value: [] }).toBER())],
      /the critical extension 2\.5\.29\.30, which is not supported/,
    ],
  ])('is refused when a certificate between %s', async (_, extensions, reason) => {
    const between = await identity({ name: 'Between', issuer: root, extensions: extensions()! })
    const signer = await identity({ name: 'TSA', issuer: between, extensions: timeStamping() })
    const certificates = [signer.certificate, between.certificate]
    expectRefused(await verdictOn({ signer, certificates }), NAME, reason)
  })

  it('is refused when there are more certificates between than one of them allows', async () => {
    const strict = await identity({ name: 'Strict', extensions: issuing(0) })
    const between = await identity({ name: 'Between', issuer: strict, extensions: issuing() })
    const signer = await identity({ name: 'TSA', issuer: between, extensions: timeStamping() })
    const certificates = [signer.certificate, between.certificate]
    const verdict = await verdictOn({ signer, certificates }, { anchors: [strict.parsed] })
    expectRefused(verdict, NAME, /CN=Strict may not stand so far above/)
  })

  it('is refused when the chain is endless', async () => {
    const chain = [await identity({ name: 'Far', extensions: issuing() })]
    for (let i = 0; i < 9; i++) {
      chain.unshift(await identity({ name: `C${i}`, issuer: chain[0]!, extensions: issuing() }))
    }
    const signer = await identity({ name: 'TSA', issuer: chain[0]!, extensions: timeStamping() })
    const certificates = [signer, ...chain.slice(0, -1)].map(({ certificate }) => certificate)
    const verdict = await verdictOn({ signer, certificates }, { anchors: [chain.at(-1)!.parsed] })
    expectRefused(verdict, NAME, /the chain of certificates is too long/)
  })

  it('is refused soon when there are ever more ways to go', async () => {
    const first = await identity({ name: 'Maze', extensions: issuing() })
    const maze = [first]
    while (maze.length < 15) {
      maze.push(await identity({ name: 'Maze', keysOf: first, extensions: issuing() }))
    }
    const signer = await identity({ name: 'TSA', issuer: first, extensions: timeStamping() })
    const certificates = [signer, ...maze].map(({ certificate }) => certificate)
    const begun = performance.now()
    const verdict = await verdictOn({ signer, certificates })
    expectRefused(verdict, NAME, /too many certificates|too long/)
    expect(performance.now() - begun).toBeLessThan(5_000)
  })

  it('is refused when two certificates only vouch for each other', async () => {
    const one = await identity({ name: 'One', extensions: issuing() })
    const two = await identity({ name: 'Two', issuer: one, extensions: issuing() })
    const again = await identity({ name: 'One', issuer: two, extensions: issuing() })
    const signer = await identity({ name: 'TSA', issuer: two, extensions: timeStamping() })
    const certificates = [signer, two, again, one].map(({ certificate }) => certificate)
    expectRefused(await verdictOn({ signer, certificates }), NAME, /One|Two/)
  })

  it('is refused when its certificate has an extension twice', async () => {
    const extensions = [...timeStamping(), extendedKeyUsage(false, SERVER_AUTH)]
    const trusted = verdictOnSigner({ extensions })
    await expect(trusted).rejects.toThrow(/extension 2\.5\.29\.37 twice/)
  })
})

describe('any other bytes', () => {
  it('are a verdict, never an error: a changed byte proves the same or nothing', async () => {
    const nonce = nonceFrom(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    const whole = await stamp({ signer: authority, data: DATA, nonce })
    const { proven } = await verifyTimeStamp({
      data: DATA,
      response: whole,
      anchors: [root.parsed],
      nonce,
    })
    expect(proven).toBeDefined()
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const response = whole.slice()
          response[at]! ^= change
          const request = { data: DATA, response, anchors: [root.parsed], nonce }
          const verdict = await verifyTimeStamp(request)
          expect([proven, undefined]).toContainEqual(verdict.proven)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('give the parser nothing to throw but errors of ours', async () => {
    const whole = await stamp({ signer: authority, data: DATA })
    const onlyOurs = (bytes: Uint8Array) => {
      try {
        parseTimeStampResponse(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(CairnError)
        expect(['MALFORMED', 'TOO_LARGE', 'VERIFICATION_FAILED']).toContain(
          (error as CairnError).code,
        )
      }
    }
    const part = fc.nat(whole.length)
    fc.assert(
      fc.property(part, part, fc.uint8Array({ maxLength: 8 }), (from, to, middle) => {
        onlyOurs(Uint8Array.of(...whole.subarray(0, from), ...middle, ...whole.subarray(to)))
      }),
      { numRuns: 1_000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), onlyOurs), { numRuns: 1_000 })
  })

  it('is signed as a whole: each byte of statement, attributes and signature counts', async () => {
    const whole = await stamp({ signer: authority, data: DATA })
    const { content, signer } = parseTimeStampResponse(whole)
    const { signature } = signer as { signature: OctetString }
    const parts = [content, signer.signed.subarray(1), signature.valueBlock.valueHexView]
    for (const part of parts) {
      const start = Buffer.from(whole).indexOf(part)
      expect(start).toBeGreaterThan(0)
      for (let at = start; at < start + part.length; at++) {
        const response = whole.slice()
        response[at]! ^= 0x01
        const verdict = await verifyTimeStamp({ data: DATA, response, anchors: [root.parsed] })
        expect(verdict.ok, `byte ${at - start} of ${Buffer.from(part).toString('hex')}`).toBe(false)
      }
    }
  })
})
