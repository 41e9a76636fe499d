/** Where objects are in S3: a bucket, what all their keys begin with, and the server that has the bucket. */
import { usage } from '../errors.ts'

export interface S3Place {
  readonly bucket: string
  /** Of every key: empty, or segments that each end in a slash. */
  readonly prefix: string
  /** As it is shown: `s3://bucket/prefix`. */
  readonly text: string
}

const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/
const SEGMENT = /^[A-Za-z0-9!_.*'()-]+$/

/** @param prefix with or without slashes at its ends @throws USAGE */
export function s3Place(bucket: string, prefix: string): S3Place {
  const path = prefix.replace(/^\/|\/$/g, '')
  const text = path === '' ? `s3://${bucket}` : `s3://${bucket}/${path}`
  const isPath = path.split('/').every((part) => SEGMENT.test(part) && !/^\.\.?$/.test(part))
  if (!BUCKET.test(bucket) || (path !== '' && !isPath)) {
    throw usage(`${JSON.stringify(text)} is no place of objects such as s3://bucket/prefix`)
  }
  return { bucket, prefix: path === '' ? '' : `${path}/`, text }
}

/** The address of a server: what is given, or that of Amazon's in the region. @throws USAGE */
export function s3Endpoint(endpoint: string | undefined, region: string): URL {
  const text = endpoint ?? `https://s3.${region}.amazonaws.com`
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isServer =
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.username === '' &&
    `${url.pathname}${url.search}${url.hash}` === '/'
  if (isServer) return url
  throw usage(
    `${JSON.stringify(text)} is no address of an S3 server: https://s3.example.org is one`,
  )
}
