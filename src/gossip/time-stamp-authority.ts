/**
 * A sink that has heads time-stamped (RFC 3161): an authority signs that it was shown the checkpoint at a time. What
 * it answers is verified as strangers would verify it, and only then kept:
 *
 *   <directory>/<head>.checkpoint   the bytes that are time-stamped
 *   <directory>/<head>.tsr          the response, as `openssl ts -verify` reads it
 *
 * When the same checkpoint is time-stamped again, later responses are `<head>-<time>.tsr`: the earliest is worth most.
 */
import { randomBytes } from 'node:crypto'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '#sha256'
import { utf8 } from '../bytes.ts'
import { timeInWords, verifyTimeStamp } from '../client/verify-time-stamp.ts'
import { CairnError, malformed } from '../errors.ts'
import { MAX_ASN1_SIZE } from '../formats/asn1.ts'
import type { X509Certificate } from '../formats/certificate.ts'
import { formatTimeStampRequest, nonceFrom } from '../formats/time-stamp.ts'
import { headName, keepFile } from './head-files.ts'
import { checkSuccess, post } from './post.ts'
import type { HeadSink } from './sink.ts'

export interface TimeStampAuthorityOptions {
  readonly name: string
  /** An http or https address. */
  readonly url: string
  readonly directory: string
  /** Who is trusted with the time: the authority's certificate, or those it is issued under. */
  readonly anchors: readonly X509Certificate[]
  /** Reads the value of the Authorization header, for authorities that ask for one. */
  readonly authorization?: () => Promise<string>
}

const NONCE_SIZE = 8

export function timeStampAuthority(options: TimeStampAuthorityOptions): HeadSink {
  const { name, url, directory, anchors, authorization } = options
  return {
    name,
    kind: 'time-stamp-authority',
    target: url,
    async send(head, signal) {
      const data = utf8(head.checkpoint)
      const nonce = nonceFrom(randomBytes(NONCE_SIZE))
      const answer = await post({
        url,
        headers: {
          'content-type': 'application/timestamp-query',
          accept: 'application/timestamp-reply',
          ...(authorization && { authorization: await authorization() }),
        },
        body: formatTimeStampRequest(sha256(data), nonce),
        limit: MAX_ASN1_SIZE,
        signal,
      })
      checkSuccess(answer)
      if (answer.mediaType !== 'application/timestamp-reply') {
        throw malformed('its answer is not of the type application/timestamp-reply')
      }
      const response = answer.body
      const { proven, checks } = await verifyTimeStamp({ data, response, anchors, nonce })
      if (proven === undefined) {
        const failed = checks.find(({ status }) => status === 'failed')
        throw new CairnError('VERIFICATION_FAILED', `its answer is refused: ${failed?.detail}`)
      }
      const file = headName(head)
      await keepFile(directory, `${file}.checkpoint`, data)
      const first = `${file}.tsr`
      const again = `${file}-${compact(proven.time)}.tsr`
      await keepFile(directory, (await exists(join(directory, first))) ? again : first, response)
      return { detail: `time-stamped by ${proven.authority} on ${timeInWords(proven)}` }
    },
  }
}

/** `20260115T120000Z` */
function compact(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d+/g, '')
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
