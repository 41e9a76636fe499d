import { s3Conformance } from './s3-conformance.ts'

s3Conformance('ceph', {
  modes: ['conditional', 'versions', 'versions'],
  replaces: ['conditional', 'unconditional', 'unconditional'],
  tellsWhy: false,
  holdsLonger: true,
  knowsRegions: false,
})
