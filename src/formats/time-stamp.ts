/**
 * Time-stamps of RFC 3161: the request to a time-stamp authority, and its response as values. The response holds a
 * token, which is a CMS signature (RFC 5652) over the authority's statement that it was shown a hash at a time. Reading
 * checks the form only; client/verify-time-stamp.ts checks what is signed and by whom.
 */
import { type BaseBlock, Integer, Null, ObjectIdentifier, OctetString, Sequence } from 'asn1js'
import {
  AlgorithmIdentifier,
  type Attribute,
  type GeneralName,
  IssuerAndSerialNumber,
  MessageImprint,
  SignedData,
  type SignerInfo,
  TimeStampReq,
  TimeStampResp,
  TSTInfo,
} from 'pkijs'
import { fromUtf8 } from '../bytes.ts'
import { CairnError, malformed } from '../errors.ts'
import { bytesOf, childrenOf, parseBer, parseDer, reading } from './asn1.ts'
import { parseCertificate, type X509Certificate } from './certificate.ts'

/** A hash and its algorithm's object identifier. */
export interface Digest {
  readonly algorithm: string
  readonly hash: Uint8Array
}

/** The statement of the authority, TSTInfo. */
export interface TimeStamp {
  /** Milliseconds since 1970, rounded down. */
  readonly time: number
  /** How far the time may be off, in milliseconds; undefined when the authority does not say. */
  readonly accuracyMs?: number
  /** Big-endian, as the authority wrote it. */
  readonly serialNumber: Uint8Array
  /** Object identifier of the policy that the authority followed. */
  readonly policy: string
  readonly imprint: Digest
  /** Big-endian. */
  readonly nonce?: Uint8Array
  readonly authority?: GeneralName
}

/** What a signing-certificate attribute (RFC 2634, RFC 5035) says of the certificate of the signer. */
export interface SigningCertificate {
  readonly digest: Digest
  readonly serialNumber?: Uint8Array
}

/** A token and all that is needed to check its signature. */
export interface TimeStampToken {
  readonly timeStamp: TimeStamp
  /** The statement as it was signed, in DER. */
  readonly content: Uint8Array
  readonly certificates: readonly X509Certificate[]
  readonly signer: {
    /** Which certificate it is: by issuer and serial number, or by the identifier of its key. */
    readonly id: IssuerAndSerialNumber | Uint8Array
    readonly digestAlgorithm: string
    /** The hash of the content that the signature covers. */
    readonly messageDigest: Uint8Array
    readonly signingCertificates: readonly SigningCertificate[]
    /** What is signed, in DER. */
    readonly signed: Uint8Array
    readonly signatureAlgorithm: AlgorithmIdentifier
    readonly signature: SignerInfo['signature']
  }
}

const SHA256_ID = '2.16.840.1.101.3.4.2.1'
export const SHA1_ID = '1.3.14.3.2.26'
const SIGNED_DATA = '1.2.840.113549.1.7.2'
const TST_INFO = '1.2.840.113549.1.9.16.1.4'
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
const SIGNING_CERTIFICATE = '1.2.840.113549.1.9.16.2.12'
const SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47'

/** Certificates in a token; a chain has two or three. */
const MAX_CERTIFICATES = 16

/** Random bytes as a number that is written with as many bytes: positive, and not beginning with a zero. */
export function nonceFrom(random: Uint8Array): Uint8Array {
  const nonce = random.slice()
  nonce[0] = ((nonce[0] ?? 0) & 0x7f) | 0x40
  return nonce
}

/** A request to time-stamp a SHA-256 hash, in DER, with a nonce made by `nonceFrom`. */
export function formatTimeStampRequest(sha256: Uint8Array, nonce: Uint8Array): Uint8Array {
  const hashAlgorithm = new AlgorithmIdentifier({
    algorithmId: SHA256_ID,
    algorithmParams: new Null(),
  })
  const request = new TimeStampReq({
    version: 1,
    messageImprint: new MessageImprint({
      hashAlgorithm,
      hashedMessage: new OctetString({ valueHex: sha256 }),
    }),
    nonce: new Integer({ valueHex: nonce }),
    certReq: true,
  })
  return new Uint8Array(request.toSchema().toBER())
}

const RESPONSE = 'time-stamp response'

/**
 * Reads the response of an authority.
 * @throws MALFORMED, TOO_LARGE when it is none
 * @throws VERIFICATION_FAILED when the authority has refused the request
 */
export function parseTimeStampResponse(bytes: Uint8Array): TimeStampToken {
  const block = parseBer(bytes, RESPONSE)
  const response = reading(RESPONSE, () => new TimeStampResp({ schema: block }))
  const { status, statusStrings = [] } = response.status
  // SPEC RFC 3161 section 2.4.2: 0 is granted, 1 is granted with changes; all others come without a token.
  if (status !== 0 && status !== 1) {
    const said = statusStrings.map((text) => String(text.valueBlock.value)).join('; ')
    const reason = `the time-stamp authority refused: status ${status}${said === '' ? '' : `, "${said}"`}`
    throw new CairnError('VERIFICATION_FAILED', reason)
  }
  const token = response.timeStampToken
  if (token === undefined) throw malformed('time-stamp response has no token')
  if (token.contentType !== SIGNED_DATA) throw malformed('time-stamp token is not signed data')
  return reading('time-stamp token', () => tokenOf(token.content as BaseBlock))
}

function tokenOf(block: BaseBlock): TimeStampToken {
  const certificates = certificatesIn(block)
  const data = new SignedData({ schema: block })
  const { eContentType, eContent } = data.encapContentInfo
  if (eContentType !== TST_INFO || eContent === undefined) {
    throw malformed('time-stamp token does not hold a time-stamp')
  }
  const [signer, ...others] = data.signerInfos
  // SPEC RFC 3161 section 2.4.2: no signatures but that of the authority.
  if (signer === undefined || others.length > 0) {
    throw malformed(`time-stamp token has ${data.signerInfos.length} signatures, not one`)
  }
  const content = new Uint8Array(eContent.getValue())
  return { timeStamp: timeStampOf(content), content, certificates, signer: signerOf(signer) }
}

const CONTEXT_SPECIFIC = 3

/** From the bytes themselves: the library's certificates do not remember theirs. */
function certificatesIn(signedData: BaseBlock): X509Certificate[] {
  const set = childrenOf(signedData).find(
    ({ idBlock }) => idBlock.tagClass === CONTEXT_SPECIFIC && idBlock.tagNumber === 0,
  )
  const certificates = set === undefined ? [] : childrenOf(set)
  if (certificates.length > MAX_CERTIFICATES) {
    const message = `time-stamp token has more than ${MAX_CERTIFICATES} certificates`
    throw new CairnError('TOO_LARGE', message)
  }
  return certificates.map((one) => parseCertificate(bytesOf(one)))
}

function timeStampOf(content: Uint8Array): TimeStamp {
  const what = 'time-stamp'
  const block = parseDer(content, what)
  const info = new TSTInfo({ schema: block })
  if (info.version !== 1) throw malformed(`time-stamp is of version ${info.version}, not 1`)
  const { extensions = [], accuracy, nonce, tsa } = info
  const critical = extensions.find((extension) => extension.critical)
  if (critical !== undefined) {
    throw malformed(`time-stamp has the unknown critical extension ${critical.extnID}`)
  }
  return {
    time: timeOf(childrenOf(block)[4]),
    ...(accuracy && { accuracyMs: millisecondsOf(accuracy) }),
    serialNumber: info.serialNumber.valueBlock.valueHexView,
    policy: info.policy,
    imprint: {
      algorithm: info.messageImprint.hashAlgorithm.algorithmId,
      hash: info.messageImprint.hashedMessage.valueBlock.valueHexView,
    },
    ...(nonce && { nonce: nonce.valueBlock.valueHexView }),
    ...(tsa && { authority: tsa }),
  }
}

const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d*[1-9]))?Z$/

/** SPEC RFC 3161 section 2.4.2: UTC with seconds; fractions without trailing zeros. */
function timeOf(block: BaseBlock | undefined): number {
  // From the bytes: the library is content with other ways to write a time. It is too short for a long length.
  const text = block === undefined ? '' : fromUtf8(bytesOf(block).subarray(2), 'time of time-stamp')
  const match = GENERALIZED_TIME.exec(text)
  if (match === null) throw malformed('time of the time-stamp is not written as it should be')
  const [, year, month, day, hour, minute, second, fraction = ''] = match
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0').slice(0, 3)}Z`
  const time = Date.parse(iso)
  // The 30th of February is read as the 1st or 2nd of March.
  if (Number.isNaN(time) || new Date(time).toISOString() !== iso) {
    throw malformed(`time of the time-stamp does not exist: ${text}`)
  }
  return time
}

function millisecondsOf(accuracy: {
  readonly seconds?: number
  readonly millis?: number
  readonly micros?: number
}): number {
  const { seconds = 0, millis = 0, micros = 0 } = accuracy
  const fits = seconds >= 0 && millis >= 0 && millis <= 999 && micros >= 0 && micros <= 999
  if (!fits) throw malformed('accuracy of the time-stamp is out of range')
  return seconds * 1000 + millis + micros / 1000
}

function signerOf(info: SignerInfo): TimeStampToken['signer'] {
  const { signedAttrs, sid } = info
  // SPEC RFC 5652 section 5.3: they must be there, because the content is not plain data.
  if (signedAttrs === undefined) throw malformed('time-stamp token has no signed attributes')
  const signed = new Uint8Array(signedAttrs.encodedValue)
  parseDer(signed, 'signed attributes of time-stamp token')
  const attributes = byType(signedAttrs.attributes)
  const contentType = attributes.get(CONTENT_TYPE)
  if (!(contentType instanceof ObjectIdentifier) || contentType.getValue() !== TST_INFO) {
    throw malformed('time-stamp token is signed as something else')
  }
  const digest = attributes.get(MESSAGE_DIGEST)
  if (!(digest instanceof OctetString)) throw malformed('time-stamp token has no message digest')
  const v1 = attributes.get(SIGNING_CERTIFICATE)
  const v2 = attributes.get(SIGNING_CERTIFICATE_V2)
  return {
    id: sid instanceof IssuerAndSerialNumber ? sid : keyIdOf(sid as BaseBlock),
    digestAlgorithm: info.digestAlgorithm.algorithmId,
    messageDigest: digest.valueBlock.valueHexView,
    signingCertificates: [
      ...(v1 ? [signingCertificateOf(v1, SHA1_ID)] : []),
      ...(v2 ? [signingCertificateOf(v2, SHA256_ID)] : []),
    ],
    signed,
    signatureAlgorithm: info.signatureAlgorithm,
    signature: info.signature,
  }
}

/** Each type once, each with one value: the attributes that count here have no other form. */
function byType(attributes: readonly Attribute[]): Map<string, BaseBlock> {
  const found = new Map<string, BaseBlock>()
  for (const { type, values } of attributes) {
    if (found.has(type)) throw malformed(`time-stamp token has the attribute ${type} twice`)
    const [value, ...others] = values as BaseBlock[]
    if (value === undefined || others.length > 0) {
      throw malformed(`attribute ${type} of time-stamp token does not have one value`)
    }
    found.set(type, value)
  }
  return found
}

function keyIdOf(sid: BaseBlock): Uint8Array {
  const { valueHexView } = sid.valueBlock as { valueHexView?: Uint8Array }
  if (valueHexView === undefined || sid.idBlock.isConstructed) {
    throw malformed('time-stamp token does not say whose signature it has')
  }
  return valueHexView
}

/**
 * The first certificate that the attribute names, which is that of the signer:
 * `SEQUENCE { SEQUENCE OF SEQUENCE { [hashAlgorithm,] certHash, [issuerSerial] }, … }`.
 */
function signingCertificateOf(attribute: BaseBlock, fallback: string): SigningCertificate {
  const wrong = (): CairnError =>
    malformed('signing certificate of time-stamp token cannot be read')
  const [ids] = childrenOf(attribute)
  const [first] = ids === undefined ? [] : childrenOf(ids)
  const parts = first === undefined ? [] : [...childrenOf(first)]
  let algorithm = fallback
  if (fallback !== SHA1_ID && parts[0] instanceof Sequence) {
    algorithm = new AlgorithmIdentifier({ schema: parts.shift() }).algorithmId
  }
  const [hash, issuerSerial, ...others] = parts
  if (!(hash instanceof OctetString) || others.length > 0) throw wrong()
  const digest = { algorithm, hash: hash.valueBlock.valueHexView }
  if (issuerSerial === undefined) return { digest }
  const serial = childrenOf(issuerSerial)[1]
  if (!(serial instanceof Integer)) throw wrong()
  return { digest, serialNumber: serial.valueBlock.valueHexView }
}
