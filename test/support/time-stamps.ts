/**
 * Certificates and time-stamps made to order, also such as no authority would make, for tests of what is refused.
 * `openssl-authority.ts` has a real one.
 */
import { webcrypto } from 'node:crypto'
import {
  BitString,
  Boolean as BooleanBlock,
  Integer,
  Null,
  ObjectIdentifier,
  OctetString,
  Sequence,
  UTCTime,
  Utf8String,
} from 'asn1js'
import {
  type Accuracy,
  AlgorithmIdentifier,
  Attribute,
  AttributeTypeAndValue,
  BasicConstraints,
  Certificate,
  ContentInfo,
  EncapsulatedContentInfo,
  Extension,
  ExtKeyUsage,
  type GeneralName,
  IssuerAndSerialNumber,
  MessageImprint,
  PKIStatusInfo,
  RelativeDistinguishedNames,
  SignedAndUnsignedAttributes,
  SignedData,
  SignerInfo,
  Time,
  TimeStampResp,
  TSTInfo,
} from 'pkijs'
import { parseCertificate, type X509Certificate } from '../../src/formats/certificate.ts'

const { subtle } = webcrypto

export const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const SHA1 = '1.3.14.3.2.26'
export const SHA256 = '2.16.840.1.101.3.4.2.1'
const TST_INFO = '1.2.840.113549.1.9.16.1.4'

/** 2026-01-15T12:00:00Z. */
export const STAMPED_AT: number = Date.UTC(2026, 0, 15, 12)
const YEAR = 365 * 86_400_000

export interface Identity {
  readonly certificate: Certificate
  /** As the sources read it. */
  readonly parsed: X509Certificate
  readonly key: webcrypto.CryptoKey
  readonly publicKey: webcrypto.CryptoKey
}

export interface IdentityOptions {
  readonly name: string
  readonly issuer?: Pick<Identity, 'certificate' | 'key'>
  readonly extensions?: readonly Extension[]
  readonly notBefore?: number
  readonly notAfter?: number
  /** Whose keys it has; some of its own without it. */
  readonly keysOf?: Identity
  readonly algorithm?: 'P-256' | 'P-384' | 'RSA-1024' | 'RSA-2048' | 'RSA-PSS'
  readonly hash?: string
}

let serial = 1

/** A certificate with a key of its own, self-signed without an issuer. */
export async function identity(options: IdentityOptions): Promise<Identity> {
  const { name, issuer, extensions = [], algorithm = 'P-256', hash = 'SHA-256' } = options
  const { keysOf } = options
  const { publicKey, privateKey } = keysOf
    ? { publicKey: keysOf.publicKey, privateKey: keysOf.key }
    : await newKeys(algorithm)
  const certificate = new Certificate({
    version: 2,
    serialNumber: new Integer({ value: ++serial }),
    subject: nameOf(name),
    issuer: issuer?.certificate.subject ?? nameOf(name),
    notBefore: timeOf(options.notBefore ?? STAMPED_AT - YEAR),
    notAfter: timeOf(options.notAfter ?? STAMPED_AT + YEAR),
    extensions: [...extensions],
  })
  await certificate.subjectPublicKeyInfo.importKey(publicKey)
  await certificate.sign(issuer?.key ?? privateKey, hash)
  return { certificate, parsed: parseCertificate(derOf(certificate)), key: privateKey, publicKey }
}

/** UTCTime has no fractions. */
function timeOf(milliseconds: number): Time {
  return new Time({ value: new Date(Math.floor(milliseconds / 1000) * 1000), type: 0 })
}

function newKeys(algorithm: Required<IdentityOptions>['algorithm']) {
  const usages = ['sign', 'verify'] as const
  if (algorithm === 'P-256' || algorithm === 'P-384') {
    return subtle.generateKey({ name: 'ECDSA', namedCurve: algorithm }, true, usages)
  }
  const rsa = {
    name: algorithm === 'RSA-PSS' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5',
    modulusLength: algorithm === 'RSA-1024' ? 1024 : 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: 'SHA-256',
  }
  return subtle.generateKey(rsa, true, usages)
}

export function nameOf(name: string): RelativeDistinguishedNames {
  const value = new Utf8String({ value: name })
  return new RelativeDistinguishedNames({
    typesAndValues: [new AttributeTypeAndValue({ type: '2.5.4.3', value })],
  })
}

export function derOf(value: { toSchema(): { toBER(): ArrayBuffer } }): Uint8Array {
  return new Uint8Array(value.toSchema().toBER())
}

export function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

export function basicConstraints(cA: boolean, pathLenConstraint?: number): Extension {
  const value = new BasicConstraints({
    cA,
    ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
  })
  return extension('2.5.29.19', true, value.toSchema().toBER())
}

/** Bits from the left: 0x80 signs data, 0x04 signs certificates. */
export function keyUsage(bits: number): Extension {
  const value = new BitString({ valueHex: Uint8Array.of(bits).buffer, unusedBits: 0 })
  return extension('2.5.29.15', true, value.toBER())
}

export function extendedKeyUsage(critical: boolean, ...keyPurposes: string[]): Extension {
  return extension('2.5.29.37', critical, new ExtKeyUsage({ keyPurposes }).toSchema().toBER())
}

export function extension(extnID: string, critical: boolean, extnValue: ArrayBuffer): Extension {
  return new Extension({ extnID, critical, extnValue })
}

export function unknownExtension(critical: boolean): Extension {
  return extension('1.3.6.1.4.1.55555.1', critical, new BooleanBlock({ value: true }).toBER())
}

/** What a certificate that issues others has. */
export function issuing(pathLength?: number): Extension[] {
  return [basicConstraints(true, pathLength), keyUsage(0x06)]
}

/** What the certificate of an authority has. */
export function timeStamping(): Extension[] {
  return [basicConstraints(false), keyUsage(0x80), extendedKeyUsage(true, TIME_STAMPING)]
}

export interface StampOptions {
  readonly signer: Identity
  /** Certificates to put into the token; the signer's without it. */
  readonly certificates?: readonly Certificate[]
  /** What is stamped. */
  readonly data: Uint8Array
  readonly nonce?: Uint8Array
  readonly time?: number
  /** How the time is written, instead. */
  readonly timeText?: string
  readonly version?: number
  readonly imprintAlgorithm?: string
  readonly authority?: GeneralName
  readonly extensions?: readonly Extension[]
  readonly status?: number
  readonly statusText?: string
  readonly withoutToken?: boolean
  /** Object identifier that the content has in the token. */
  readonly contentType?: string
  /** Changes the signed attributes, which are keyed by short names. */
  readonly attributes?: (given: Record<string, Attribute>) => Attribute[]
  /** How the certificate is named: `v1`, `v2`, both, or another certificate than the signer's. */
  readonly ess?: {
    readonly v1?: boolean
    readonly v2?: boolean
    readonly of?: Certificate
    /** What stands where its issuer and serial number may stand; nothing without it. */
    readonly issuerSerial?: unknown
  }
  /** Says whose signature it is by this instead of issuer and serial number. */
  readonly keyId?: unknown
  readonly accuracy?: Accuracy
  /** Object identifier of the token's own type. */
  readonly tokenType?: string
  /** The certificate that the signature is said to be by. */
  readonly sid?: Certificate
  readonly signers?: number
  readonly hash?: string
  /** Changes the statement's bytes before they are signed. */
  readonly content?: (der: Uint8Array) => Uint8Array
}

/** A response of an authority, as bytes. */
export async function stamp(options: StampOptions): Promise<Uint8Array> {
  const status = new PKIStatusInfo({
    status: options.status ?? 0,
    ...(options.statusText === undefined
      ? {}
      : { statusStrings: [new Utf8String({ value: options.statusText })] }),
  })
  if (options.withoutToken === true) return derOf(new TimeStampResp({ status }))
  const timeStampToken = new ContentInfo({
    contentType: options.tokenType ?? '1.2.840.113549.1.7.2',
    content: (await signedData(options)).toSchema(true),
  })
  return derOf(new TimeStampResp({ status, timeStampToken }))
}

/** The statement of the authority, in DER. */
export async function statement(options: StampOptions): Promise<Uint8Array> {
  const { data, nonce, authority, extensions, imprintAlgorithm = SHA256 } = options
  const digest = imprintAlgorithm === SHA1 ? 'SHA-1' : 'SHA-256'
  const info = new TSTInfo({
    version: options.version ?? 1,
    policy: '1.3.6.1.4.1.55555.2',
    messageImprint: new MessageImprint({
      hashAlgorithm: new AlgorithmIdentifier({
        algorithmId: imprintAlgorithm,
        algorithmParams: new Null(),
      }),
      hashedMessage: new OctetString({
        valueHex: await subtle.digest(digest, data as BufferSource),
      }),
    }),
    serialNumber: new Integer({ value: 7 }),
    genTime: new Date(options.time ?? STAMPED_AT),
    ...(options.accuracy && { accuracy: options.accuracy }),
    ...(nonce && { nonce: new Integer({ valueHex: nonce.slice().buffer }) }),
    ...(authority && { tsa: authority }),
    ...(extensions && { extensions: [...extensions] }),
  })
  const schema = info.toSchema()
  if (options.timeText !== undefined) {
    schema.valueBlock.value[4] = new OctetString({
      idBlock: { tagClass: 1, tagNumber: 24 },
      valueHex: new TextEncoder().encode(options.timeText),
    } as never)
  }
  const der = new Uint8Array(schema.toBER())
  return options.content?.(der) ?? der
}

async function signedData(options: StampOptions): Promise<SignedData> {
  const { signer, hash = 'SHA-256', sid = signer.certificate, signers = 1 } = options
  const content = await statement(options)
  const eContent = new OctetString({ valueHex: content.slice().buffer })
  const attributes = await signedAttributes(options, content)
  const data = new SignedData({
    version: 3,
    encapContentInfo: new EncapsulatedContentInfo({
      eContentType: options.contentType ?? TST_INFO,
    }),
    certificates: [...(options.certificates ?? [signer.certificate])],
    signerInfos: Array.from(
      { length: signers },
      () =>
        new SignerInfo({
          version: 1,
          sid:
            options.keyId ??
            new IssuerAndSerialNumber({ issuer: sid.issuer, serialNumber: sid.serialNumber }),
          ...(attributes.length > 0 && {
            signedAttrs: new SignedAndUnsignedAttributes({ type: 0, attributes }),
          }),
        }),
    ),
  })
  data.encapContentInfo.eContent = eContent
  for (let i = 0; i < signers; i++) await data.sign(signer.key, i, hash, content.slice().buffer)
  return data
}

async function signedAttributes(options: StampOptions, content: Uint8Array): Promise<Attribute[]> {
  const { signer, hash = 'SHA-256', ess = { v2: true } } = options
  const der = derOf(ess.of ?? signer.certificate)
  const given: Record<string, Attribute> = {
    contentType: attribute('1.2.840.113549.1.9.3', new ObjectIdentifier({ value: TST_INFO })),
    signingTime: attribute(
      '1.2.840.113549.1.9.5',
      new UTCTime({ valueDate: new Date(STAMPED_AT) }),
    ),
    messageDigest: attribute(
      '1.2.840.113549.1.9.4',
      new OctetString({ valueHex: await subtle.digest(hash, content as BufferSource) }),
    ),
    ...(ess.v1 === true && {
      v1: attribute(
        '1.2.840.113549.1.9.16.2.12',
        await certificateId(der, 'SHA-1', ess.issuerSerial),
      ),
    }),
    ...(ess.v2 === true && {
      v2: attribute(
        '1.2.840.113549.1.9.16.2.47',
        await certificateId(der, 'SHA-256', ess.issuerSerial),
      ),
    }),
  }
  return options.attributes?.(given) ?? Object.values(given)
}

export function attribute(type: string, ...values: unknown[]): Attribute {
  return new Attribute({ type, values })
}

async function certificateId(
  der: Uint8Array,
  hash: string,
  issuerSerial: unknown,
): Promise<Sequence> {
  const valueHex = await subtle.digest(hash, der as BufferSource)
  const parts = [new OctetString({ valueHex }), ...(issuerSerial ? [issuerSerial as Sequence] : [])]
  const id = new Sequence({ value: parts })
  return new Sequence({ value: [new Sequence({ value: [id] })] })
}
