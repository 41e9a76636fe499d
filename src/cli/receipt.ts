/** `cairn receipt`: fetches the receipt of a leaf from a log. */
import { type Command, Option } from 'commander'
import { toBase64 } from '../bytes.ts'
import { createLogClient, type ReceiptFormat } from '../client/log-client.ts'
import {
  type Connection,
  decimalFlag,
  interruptible,
  printJson,
  withCommonHelp,
  withConnection,
} from './command.ts'
import { clientOptions } from './connect.ts'
import { writeWhole } from './receipt-files.ts'

interface ReceiptFlags extends Connection {
  readonly format: ReceiptFormat
  readonly out?: string
  readonly json?: boolean
}

export function configure(command: Command): void {
  command
    .description('Fetch the receipt of a leaf. Nothing is verified: cairn verify does that.')
    .argument('<index>', 'index of the leaf', decimalFlag('INDEX', Number.MAX_SAFE_INTEGER - 1))
    .addOption(
      new Option('--format <format>', 'format of the receipt')
        .choices(['tlog-proof', 'json', 'cose'])
        .default('tlog-proof'),
    )
    .option('--out <file>', 'write it there instead of to standard output')
    .action((index: number, flags: ReceiptFlags) => fetchReceipt(index, flags))
  withConnection(command)
  withCommonHelp(command, [
    'cairn receipt 7 > 7.tlog-proof',
    'cairn receipt 7 --format cose --out 7.cose --url https://log.example.com',
  ])
}

async function fetchReceipt(index: number, flags: ReceiptFlags): Promise<void> {
  const interrupt = interruptible()
  const client = createLogClient({ ...(await clientOptions(flags)), retries: 2 })
  const bytes = await client.receipt(index, flags.format, { signal: interrupt.signal })
  interrupt.done()
  if (flags.out !== undefined) await writeWhole(flags.out, bytes)
  if (flags.json === true) {
    const where = flags.out === undefined ? { receipt: toBase64(bytes) } : { file: flags.out }
    printJson({ index, format: flags.format, bytes: bytes.length, ...where })
  } else if (flags.out === undefined) {
    process.stdout.write(bytes)
  }
}
