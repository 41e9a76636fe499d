import { s3Conformance } from './s3-conformance.ts'

s3Conformance('ceph', {
  modes: ['conditional', 'versions', 'versions'],
  tellsWhy: false,
  holdsLonger: true,
  knowsRegions: false,
})
