/** `cairn-log/verify` as one module that a page or a worker imports as it stands, `cairn-log/browser/verify.js`. */
export * from '../verify.ts'
