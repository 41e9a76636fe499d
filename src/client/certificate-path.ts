/**
 * The way from a certificate to one that is trusted, by the rules of RFC 5280 section 6 that matter for time-stamps:
 * signatures, names, validity at a time, who may issue, path lengths, and critical extensions. Not checked is
 * revocation, which cannot be known offline. Name and policy constraints are refused, not followed.
 */
import { CairnError, messageOf } from '../errors.ts'
import { nameInWords, sameCertificate, type X509Certificate } from '../formats/certificate.ts'
import { verifySignature } from './verify-signature.ts'

export interface PathOptions {
  /** Certificates that may stand between. */
  readonly others: readonly X509Certificate[]
  /** Certificates that are trusted, whoever issued them. */
  readonly anchors: readonly X509Certificate[]
  /** When all of them have to be valid, in milliseconds since 1970. */
  readonly time: number
  /** What a certificate that limits the purposes of those below it has to allow. */
  readonly purpose: string
}

/** Certificates above the first. */
const MAX_LENGTH = 8
/** Signatures that are checked before a maze of certificates is given up. */
const MAX_SIGNATURES = 64
const ANY_PURPOSE = '2.5.29.37.0'

/**
 * Finds a path from `first` to a trusted certificate, both included.
 * @throws VERIFICATION_FAILED when there is none; the message says what was wrong with the one that came farthest
 */
export async function findPath(
  first: X509Certificate,
  options: PathOptions,
): Promise<readonly X509Certificate[]> {
  const { anchors, others } = options
  let signatures = 0
  let problem: string | undefined
  let reached = -1
  const giveUp = (path: readonly X509Certificate[], reason: string): undefined => {
    if (path.length > reached) {
      reached = path.length
      problem = reason
    }
    return undefined
  }

  async function extend(
    path: readonly X509Certificate[],
  ): Promise<readonly X509Certificate[] | undefined> {
    const last = path.at(-1)!
    if (anchors.some((anchor) => sameCertificate(anchor, last))) return path
    if (path.length > MAX_LENGTH) return giveUp(path, 'the chain of certificates is too long')
    const issuers = [...anchors, ...others].filter(
      (one) => one.subject.isEqual(last.issuer) && !path.some((used) => sameCertificate(used, one)),
    )
    if (issuers.length === 0) {
      const who = nameInWords(last.issuer)
      return giveUp(path, `no trusted certificate leads to it: that of ${who} is missing`)
    }
    for (const issuer of issuers) {
      if (signatures++ >= MAX_SIGNATURES) return giveUp(path, 'there are too many certificates')
      const refusal = whyNotIssuer(issuer, path, options) ?? (await whyNotSigned(last, issuer))
      if (refusal !== undefined) {
        giveUp(path, refusal)
        continue
      }
      const found = await extend([...path, issuer])
      if (found !== undefined) return found
    }
    return undefined
  }

  const refusal = whyNotValid(first, options.time) ?? whyNotUnderstood(first)
  const path = refusal === undefined ? await extend([first]) : giveUp([first], refusal)
  if (path !== undefined) return path
  throw new CairnError('VERIFICATION_FAILED', problem ?? 'no trusted certificate leads to it')
}

function whyNotIssuer(
  issuer: X509Certificate,
  path: readonly X509Certificate[],
  { time, purpose }: PathOptions,
): string | undefined {
  const name = nameInWords(issuer.subject)
  const { authority, keyUsage, extendedKeyUsage } = issuer
  if (authority === undefined) return `${name} may not issue certificates`
  if (keyUsage?.certificateSigning === false) return `the key of ${name} may not sign certificates`
  // SPEC RFC 5280 section 4.2.1.9: those that a certificate authority issued to itself do not count.
  const between = path.slice(1).filter((one) => !one.subject.isEqual(one.issuer)).length
  if (authority.maxBelow !== undefined && between > authority.maxBelow) {
    return `${name} may not stand so far above`
  }
  const purposes = extendedKeyUsage?.purposes
  if (purposes && !purposes.includes(purpose) && !purposes.includes(ANY_PURPOSE)) {
    return `certificates below ${name} are not for this purpose`
  }
  return whyNotValid(issuer, time) ?? whyNotUnderstood(issuer)
}

function whyNotValid(certificate: X509Certificate, time: number): string | undefined {
  const { notBefore, notAfter, subject } = certificate
  const name = nameInWords(subject)
  const at = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 10)
  if (time < notBefore) return `the certificate of ${name} is valid only from ${at(notBefore)}`
  if (time > notAfter) return `the certificate of ${name} expired on ${at(notAfter)}`
  return undefined
}

function whyNotUnderstood({ subject, unknownCritical }: X509Certificate): string | undefined {
  const [id] = unknownCritical
  if (id === undefined) return undefined
  return `the certificate of ${nameInWords(subject)} has the critical extension ${id}, which is not supported`
}

async function whyNotSigned(
  { signed: message, signature, signatureAlgorithm: algorithm, subject }: X509Certificate,
  issuer: X509Certificate,
): Promise<string | undefined> {
  try {
    await verifySignature({ message, signature, algorithm, publicKey: issuer.publicKey })
    return undefined
  } catch (error) {
    return `${nameInWords(issuer.subject)} has not issued the certificate of ${nameInWords(subject)}: ${messageOf(error)}`
  }
}
