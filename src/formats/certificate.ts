/**
 * X.509 certificates (RFC 5280) as values: what is needed to build a path from a signer to a certificate that is
 * trusted. Reading checks the form only; client/certificate-path.ts checks signatures and rules.
 */
import type { BitString } from 'asn1js'
import {
  type AlgorithmIdentifier,
  type BasicConstraints,
  Certificate,
  type Extension,
  type ExtKeyUsage,
  type PublicKeyInfo,
  type RelativeDistinguishedNames,
} from 'pkijs'
import { equal, fromBase64, fromUtf8 } from '../bytes.ts'
import { malformed } from '../errors.ts'
import { bytesOf, parseDer, reading } from './asn1.ts'

export interface KeyUsage {
  readonly digitalSignature: boolean
  readonly nonRepudiation: boolean
  readonly certificateSigning: boolean
}

export interface ExtendedKeyUsage {
  readonly critical: boolean
  /** Object identifiers. */
  readonly purposes: readonly string[]
}

export interface X509Certificate {
  /** The whole certificate, in DER. */
  readonly der: Uint8Array
  readonly subject: RelativeDistinguishedNames
  readonly issuer: RelativeDistinguishedNames
  /** Big-endian, in the shortest form. */
  readonly serialNumber: Uint8Array
  /** Milliseconds since 1970, both included. */
  readonly notBefore: number
  readonly notAfter: number
  readonly publicKey: PublicKeyInfo
  /** What is signed, by what algorithm, and the signature. */
  readonly signed: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Certificate['signatureValue']
  /** Whether it may issue certificates, and how many of those that it leads to may do so as well. */
  readonly authority?: { readonly maxBelow?: number }
  readonly keyUsage?: KeyUsage
  readonly extendedKeyUsage?: ExtendedKeyUsage
  /** Critical extensions that nothing here understands. */
  readonly unknownCritical: readonly string[]
}

const KEY_USAGE = '2.5.29.15'
const SUBJECT_ALT_NAME = '2.5.29.17'
const BASIC_CONSTRAINTS = '2.5.29.19'
const CERTIFICATE_POLICIES = '2.5.29.32'
const EXTENDED_KEY_USAGE = '2.5.29.37'

/** Extensions whose demands are met: those checked here, and names and policies, which demand nothing by themselves. */
const UNDERSTOOD: readonly string[] = [
  KEY_USAGE,
  SUBJECT_ALT_NAME,
  BASIC_CONSTRAINTS,
  CERTIFICATE_POLICIES,
  EXTENDED_KEY_USAGE,
]

const WHAT = 'certificate'

/** Reads a certificate in DER. @throws MALFORMED, TOO_LARGE */
export function parseCertificate(der: Uint8Array): X509Certificate {
  const block = parseDer(der, WHAT)
  return reading(WHAT, () => {
    const found = new Certificate({ schema: block })
    if (!found.signature.isEqual(found.signatureAlgorithm)) {
      throw malformed('certificate names two different signature algorithms')
    }
    const extensions = byId(found.extensions ?? [])
    return {
      der: bytesOf(block),
      subject: found.subject,
      issuer: found.issuer,
      serialNumber: found.serialNumber.valueBlock.valueHexView,
      notBefore: found.notBefore.value.getTime(),
      notAfter: found.notAfter.value.getTime(),
      publicKey: found.subjectPublicKeyInfo,
      signed: found.tbsView,
      signatureAlgorithm: found.signatureAlgorithm,
      signature: found.signatureValue,
      ...authorityOf(readValue(extensions.get(BASIC_CONSTRAINTS))),
      ...keyUsageOf(readValue(extensions.get(KEY_USAGE))),
      ...extendedKeyUsageOf(extensions.get(EXTENDED_KEY_USAGE)),
      unknownCritical: [...extensions.values()]
        .filter(({ critical, extnID }) => critical && !UNDERSTOOD.includes(extnID))
        .map(({ extnID }) => extnID),
    }
  })
}

const PEM = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g

/**
 * Reads the certificates of a PEM file; text around them, as openssl writes it, is ignored.
 * @throws MALFORMED when there is none, or one cannot be read; TOO_LARGE
 */
export function parseCertificates(pem: Uint8Array): readonly X509Certificate[] {
  const text = fromUtf8(pem, 'file of certificates')
  const blocks = [...text.matchAll(PEM)]
  // A block that is cut off must not silently be one trusted certificate less.
  const begun = text.split('-----BEGIN ').length - 1
  if (blocks.length === 0)
    throw malformed('there is no PEM certificate (-----BEGIN CERTIFICATE-----)')
  if (blocks.length !== begun)
    throw malformed('there is something else than whole PEM certificates')
  return blocks.map(([, base64 = '']) =>
    parseCertificate(fromBase64(base64.replace(/\s/g, ''), 'PEM certificate')),
  )
}

export function sameCertificate(a: X509Certificate, b: X509Certificate): boolean {
  return equal(a.der, b.der)
}

const NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
}

/** A name for people: `CN=TSA 1, O=Example`. */
export function nameInWords(name: RelativeDistinguishedNames): string {
  const parts = name.typesAndValues.map(
    ({ type, value }) => `${NAMES[type] ?? type}=${textOf(value)}`,
  )
  return parts.length === 0 ? 'a certificate without a name' : parts.join(', ')
}

function textOf(value: { readonly valueBlock: object }): string {
  const { value: text } = value.valueBlock as { value?: unknown }
  return typeof text === 'string' ? text : '?'
}

function byId(extensions: readonly Extension[]): Map<string, Extension> {
  const found = new Map<string, Extension>()
  for (const extension of extensions) {
    // SPEC RFC 5280 section 4.2: no more than one instance of an extension.
    if (found.has(extension.extnID)) {
      throw malformed(`certificate has the extension ${extension.extnID} twice`)
    }
    found.set(extension.extnID, extension)
  }
  return found
}

/** The value of an extension; the library hides what it could not read. @throws MALFORMED */
function readValue<T extends object>(extension: Extension | undefined): T | undefined {
  if (extension === undefined) return undefined
  const what = `extension ${extension.extnID} of certificate`
  parseDer(extension.extnValue.valueBlock.valueHexView, what)
  const { parsedValue } = extension
  if (parsedValue === undefined || 'parsingError' in parsedValue) {
    throw malformed(`${what} cannot be read`)
  }
  return parsedValue as T
}

function authorityOf(
  constraints: BasicConstraints | undefined,
): Pick<X509Certificate, 'authority'> {
  if (constraints?.cA !== true) return {}
  const { pathLenConstraint: maxBelow } = constraints
  if (maxBelow === undefined) return { authority: {} }
  if (typeof maxBelow === 'number' && maxBelow >= 0) return { authority: { maxBelow } }
  throw malformed('path length of certificate is not a small number')
}

function keyUsageOf(bits: BitString | undefined): Pick<X509Certificate, 'keyUsage'> {
  if (bits === undefined) return {}
  const [first = 0] = bits.valueBlock.valueHexView
  const keyUsage = {
    digitalSignature: (first & 0x80) !== 0,
    nonRepudiation: (first & 0x40) !== 0,
    certificateSigning: (first & 0x04) !== 0,
  }
  return { keyUsage }
}

function extendedKeyUsageOf(
  extension: Extension | undefined,
): Pick<X509Certificate, 'extendedKeyUsage'> {
  const value = readValue<ExtKeyUsage>(extension)
  if (extension === undefined || value === undefined) return {}
  return { extendedKeyUsage: { critical: extension.critical, purposes: value.keyPurposes } }
}
