/** `cairn verify --page`: the page that verifies in a browser, as a file of one's own. */
import { createHash } from 'node:crypto'
import { utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { verifierPage } from '../http/verifier-page.ts'
import { printJson, terminal } from './command.ts'
import { writeWhole } from './receipt-files.ts'
import { count, printable } from './style.ts'

/** Writes the page, and says what is needed to compare it with another copy. @throws USAGE when there was no build */
export async function writePage(file: string, json: boolean): Promise<void> {
  const text = await verifierPage().catch((cause: unknown) => {
    if (!(cause instanceof CairnError && cause.code === 'NOT_FOUND')) throw cause
    throw new CairnError('USAGE', `${cause.message} (npm run build)`, { cause })
  })
  const page = utf8(text)
  await writeWhole(file, page)
  const sha256 = createHash('sha256').update(page).digest('hex')
  if (json) return printJson({ page: file, bytes: page.length, sha256 })
  const { style, line } = terminal()
  line(`${style.bold(printable(file))}: open it in a browser; it connects to nothing`)
  line(style.dim(`${count(page.length)} bytes, SHA-256 ${sha256}`))
}
