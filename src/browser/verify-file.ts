/** `cairn-log/verify-file` as one module that a page or a worker imports as it stands, `cairn-log/browser/verify-file.js`. */
export * from '../verify-file.ts'
