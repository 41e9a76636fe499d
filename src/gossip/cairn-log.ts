/**
 * A sink that is another Cairn log: the checkpoint becomes a leaf there. Whoever audits that log sees every head that
 * this one has shown it, and its receipt proves that the head was there by then. What comes back is kept as
 *
 *   <directory>/<head>.leaf         the checkpoint
 *   <directory>/<head>.tlog-proof   the receipt, which `cairn verify` checks
 */
import { utf8 } from '../bytes.ts'
import { createLogClient } from '../client/log-client.ts'
import { verifyReceipt } from '../client/verify-receipt.ts'
import { CairnError } from '../errors.ts'
import { formatTlogProof } from '../formats/tlog-proof.ts'
import type { VerifierKey } from '../formats/vkey.ts'
import { headName, keepFile } from './head-files.ts'
import { reasonCode } from './reason.ts'
import type { HeadSink } from './sink.ts'

export interface CairnLogOptions {
  readonly name: string
  readonly url: string
  readonly directory: string
  /** Keys of that log. Without them its signatures are not checked, only its proofs. */
  readonly logKeys: readonly VerifierKey[]
  /** Reads the access token. */
  readonly token?: () => Promise<string>
}

export function cairnLog({ name, url, directory, logKeys, token }: CairnLogOptions): HeadSink {
  return {
    name,
    kind: 'cairn-log',
    target: url,
    async send(head, signal) {
      const leaf = utf8(head.checkpoint)
      // The runner tries again by itself.
      const client = createLogClient({ url, retries: 0, ...(token && { token: await token() }) })
      const receipt = await client.submit(leaf, { signal }).catch((error: unknown) => {
        signal.throwIfAborted()
        throw withoutAddress(error)
      })
      const proof = utf8(formatTlogProof(receipt))
      if (logKeys.length > 0) {
        const { ok, checks } = verifyReceipt({ leaf, receipt: proof, trust: { logKeys } })
        const failed = checks.find(({ status }) => status === 'failed')
        if (!ok) {
          throw new CairnError('VERIFICATION_FAILED', `its receipt is refused: ${failed?.detail}`)
        }
      }
      const file = headName(head)
      await keepFile(directory, `${file}.leaf`, leaf)
      await keepFile(directory, `${file}.tlog-proof`, proof)
      return { detail: `is entry ${receipt.index} of ${receipt.origin}` }
    },
  }
}

/** What the log said is public; where it is need not be. */
function withoutAddress(error: unknown): unknown {
  if (!(error instanceof CairnError) || error.code !== 'IO') return error
  const message =
    error.cause === undefined
      ? 'answered with an error'
      : `cannot be reached (${reasonCode(error)})`
  return new CairnError('IO', message, { cause: error })
}
