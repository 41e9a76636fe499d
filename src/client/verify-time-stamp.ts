/**
 * Verifies an RFC 3161 time-stamp, offline: that an authority one trusts has signed that it was shown these bytes at a
 * time. Needs Web Crypto, which Node and browsers have.
 */
import { equal, toHex } from '../bytes.ts'
import { messageOf, verificationFailed } from '../errors.ts'
import { nameInWords, type X509Certificate } from '../formats/certificate.ts'
import {
  parseTimeStampResponse,
  SHA1_ID,
  type TimeStamp,
  type TimeStampToken,
} from '../formats/time-stamp.ts'
import { findPath } from './certificate-path.ts'
import { unproven } from './checks.ts'
import { printable } from './receipt-words.ts'
import type { Check, Verdict } from './verdict.ts'
import { digest, hashName, verifySignature } from './verify-signature.ts'

export interface TimeStampToVerify {
  /** The bytes that were time-stamped. */
  readonly data: Uint8Array
  /** The authority's response, a `.tsr` file. */
  readonly response: Uint8Array
  /** The authority's certificate, or those it was issued under: whom the verifier trusts with the time. */
  readonly anchors: readonly X509Certificate[]
  /** The nonce of the request, where the verifier has sent it. */
  readonly nonce?: Uint8Array
}

/** The checks, in the order in which they are made. */
export type TimeStampCheckName =
  /** The response is one, and grants what was asked. */
  | 'time-stamp'
  /** It is about the bytes given, and answers the request. */
  | 'time-stamped data'
  /** The authority's key has signed it. */
  | 'time-stamp signature'
  /** The key is certified for time-stamps by somebody who is trusted. */
  | 'time-stamp authority'

const ORDER: readonly TimeStampCheckName[] = [
  'time-stamp',
  'time-stamped data',
  'time-stamp signature',
  'time-stamp authority',
]

/** Facts that were proven. */
export interface ProvenTime {
  /** Milliseconds since 1970. */
  readonly time: number
  /** How far the time may be off, in milliseconds; undefined when the authority does not say. */
  readonly accuracyMs?: number
  /** The authority's name in its certificate. */
  readonly authority: string
  /** What the authority numbers its time-stamps with, in hexadecimal. */
  readonly serialNumber: string
  /** Object identifier of the policy that the authority followed. */
  readonly policy: string
}

export interface TimeStampVerdict extends Verdict<'time-stamp'> {
  /** Absent unless `ok`. */
  readonly proven?: ProvenTime
}

const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'
const DIRECTORY_NAME = 4

/** Checks a time-stamp. Says in its checks what does not hold, and throws nothing over it. */
export async function verifyTimeStamp(request: TimeStampToVerify): Promise<TimeStampVerdict> {
  const checks: Check[] = []
  const check = async <T>(
    name: TimeStampCheckName,
    run: () => T | Promise<T>,
    words: (value: T) => string,
  ): Promise<T> => {
    try {
      const value = await run()
      checks.push({ name, status: 'held', detail: printable(words(value)) })
      return value
    } catch (error) {
      checks.push({ name, status: 'failed', detail: printable(messageOf(error)) })
      throw error
    }
  }
  let proven: ProvenTime | undefined
  try {
    const token = await check(
      'time-stamp',
      () => parseTimeStampResponse(request.response),
      () => 'it is a well-formed RFC 3161 time-stamp, granted by the authority',
    )
    await check(
      'time-stamped data',
      () => checkImprint(token.timeStamp, request),
      (name) => `it is for the bytes given: their ${name} hash is in it`,
    )
    const signer = await check(
      'time-stamp signature',
      () => checkSignature(token, request.anchors),
      ({ subject }) => `${nameInWords(subject)} has signed it`,
    )
    await check(
      'time-stamp authority',
      () => checkAuthority(token, signer, request.anchors),
      (path) => authorityInWords(path),
    )
    proven = factsOf(token.timeStamp, signer)
  } catch {
    // Recorded by `check`.
  }
  for (const name of ORDER.slice(checks.length)) {
    const detail = 'not checked, because an earlier check failed'
    checks.push({ name, status: 'skipped', detail })
  }
  const finding = proven === undefined ? unproven(checks) : statedWords(proven, 'these bytes')
  return {
    ok: proven !== undefined,
    kind: 'time-stamp',
    finding,
    ...(proven && { proven }),
    checks,
  }
}

/** What an authority has stated of what it was shown. */
export function statedWords(proven: ProvenTime, what: string): string {
  return `${proven.authority} has signed that it was shown ${what} on ${timeInWords(proven)}`
}

/** `21 November 2026, 17:43:19 UTC, give or take 1 second`. */
export function timeInWords({ time, accuracyMs }: Pick<ProvenTime, 'time' | 'accuracyMs'>): string {
  const date = new Date(time)
  const clock = date.toISOString().slice(11, date.getUTCMilliseconds() === 0 ? 19 : 23)
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`
  return `${day}, ${clock} UTC${accuracyMs === undefined ? '' : `, give or take ${seconds(accuracyMs)}`}`
}

const MONTHS: readonly string[] = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
]

function seconds(milliseconds: number): string {
  return milliseconds === 1000 ? '1 second' : `${milliseconds / 1000} seconds`
}

async function checkImprint(
  { imprint, nonce }: TimeStamp,
  request: TimeStampToVerify,
): Promise<string> {
  const name = hashName(imprint.algorithm)
  if (name === undefined)
    throw verificationFailed(`its hash ${imprint.algorithm} is not one of SHA-2`)
  if (!equal(await digest(name, request.data), imprint.hash)) {
    throw verificationFailed('it is for other bytes: their hash is not the one in it')
  }
  if (request.nonce !== undefined && (nonce === undefined || !equal(nonce, request.nonce))) {
    throw verificationFailed('it answers another request: the nonce is not the one that was sent')
  }
  return name
}

/** Finds the certificate that the token was signed under, and checks the signature. */
async function checkSignature(
  { signer, content, certificates }: TimeStampToken,
  anchors: readonly X509Certificate[],
): Promise<X509Certificate> {
  const name = hashName(signer.digestAlgorithm)
  if (name === undefined)
    throw verificationFailed(`its hash ${signer.digestAlgorithm} is not one of SHA-2`)
  if (!equal(await digest(name, content), signer.messageDigest)) {
    throw verificationFailed('what is signed is not what it says: the hashes differ')
  }
  const certificate = await signersCertificate(signer, [...certificates, ...anchors])
  await verifySignature({
    message: signer.signed,
    signature: signer.signature,
    algorithm: signer.signatureAlgorithm,
    publicKey: certificate.publicKey,
    digestAlgorithm: signer.digestAlgorithm,
  })
  return certificate
}

/** SPEC RFC 3161 section 2.4.2, RFC 5816: the signature names its certificate by hash, so that no other can be put there. */
async function signersCertificate(
  { id, signingCertificates }: TimeStampToken['signer'],
  candidates: readonly X509Certificate[],
): Promise<X509Certificate> {
  if (signingCertificates.length === 0) {
    throw verificationFailed('the signature does not name the certificate of the authority')
  }
  for (const candidate of candidates) {
    const named = await Promise.all(
      signingCertificates.map(async ({ digest: { algorithm, hash }, serialNumber }) => {
        const name = algorithm === SHA1_ID ? 'SHA-1' : hashName(algorithm)
        return (
          name !== undefined &&
          equal(await digest(name, candidate.der), hash) &&
          (serialNumber === undefined || equal(serialNumber, candidate.serialNumber))
        )
      }),
    )
    if (named.includes(false)) continue
    const isOther =
      !(id instanceof Uint8Array) &&
      !(
        id.issuer.isEqual(candidate.issuer) &&
        equal(id.serialNumber.valueBlock.valueHexView, candidate.serialNumber)
      )
    if (isOther) throw verificationFailed('the signature names two different certificates')
    return candidate
  }
  throw verificationFailed(
    'the certificate that the signature names is neither in it nor among those trusted',
  )
}

/** Whether the signer may time-stamp, and who says so. */
async function checkAuthority(
  { timeStamp, certificates }: TimeStampToken,
  signer: X509Certificate,
  anchors: readonly X509Certificate[],
): Promise<readonly X509Certificate[]> {
  const { extendedKeyUsage, keyUsage, subject } = signer
  const name = nameInWords(subject)
  // SPEC RFC 3161 section 2.3: the one purpose of the key, and marked as critical.
  const purposes = extendedKeyUsage?.purposes ?? []
  if (!purposes.includes(TIME_STAMPING))
    throw verificationFailed(`the key of ${name} is not for time-stamps`)
  if (purposes.length > 1)
    throw verificationFailed(`the key of ${name} is not for time-stamps alone`)
  if (extendedKeyUsage?.critical !== true) {
    throw verificationFailed(`the purpose of the key of ${name} is not marked as critical`)
  }
  if (keyUsage && !keyUsage.digitalSignature && !keyUsage.nonRepudiation) {
    throw verificationFailed(`the key of ${name} is not for signatures`)
  }
  const { authority, time } = timeStamp
  if (authority?.type === DIRECTORY_NAME && !subject.isEqual(authority.value)) {
    throw verificationFailed(
      `the time-stamp is said to be by ${nameInWords(authority.value)}, but is by ${name}`,
    )
  }
  return findPath(signer, { others: certificates, anchors, time, purpose: TIME_STAMPING })
}

function authorityInWords(path: readonly X509Certificate[]): string {
  const [signer, ...above] = path.map(({ subject }) => nameInWords(subject))
  return above.length === 0
    ? `the certificate of ${signer} is one of those you trust, and was valid then`
    : `${signer} is certified for time-stamps by ${above.join(', by ')}, which you trust; all were valid then`
}

function factsOf(timeStamp: TimeStamp, { subject }: X509Certificate): ProvenTime {
  const { time, accuracyMs, serialNumber, policy } = timeStamp
  return {
    time,
    ...(accuracyMs === undefined ? {} : { accuracyMs }),
    authority: printable(nameInWords(subject)),
    serialNumber: toHex(serialNumber),
    policy,
  }
}
