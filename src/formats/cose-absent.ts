/** In the place of COSE receipts where a bundle is to be small: reading CBOR weighs a quarter of it. */
import { type CairnError, malformed } from '../errors.ts'
import type { parseCoseReceipt as parse } from './cose-receipt.ts'
import type { verifyCoseSign1 as verify } from './cose-sign1.ts'

function absent(): CairnError {
  return malformed('this build of the verifier reads no COSE receipts, only tlog-proofs and JSON')
}

export const parseCoseReceipt: typeof parse = () => {
  throw absent()
}
export const verifyCoseSign1: typeof verify = () => {
  throw absent()
}
