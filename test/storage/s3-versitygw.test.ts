import { s3Conformance } from './s3-conformance.ts'

s3Conformance('versitygw', {
  modes: ['conditional', 'conditional', 'conditional'],
  replaces: ['conditional', 'conditional', 'conditional'],
  tellsWhy: true,
  holdsLonger: false,
  knowsRegions: true,
})
