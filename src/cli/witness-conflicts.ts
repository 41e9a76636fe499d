/** `cairn witness conflicts`: heads that logs have signed and that the witness found not to fit. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { WitnessAdmin, WitnessConflict } from '../client/witness-admin.ts'
import { makeDirectory } from '../storage/make-directory.ts'
import { note, printJson, terminal, withCommonHelp } from './command.ts'
import { age, count, plural, printable } from './style.ts'
import { formatTable } from './table.ts'
import {
  explainRefusal,
  type WitnessPlace,
  withWitnessPlace,
  witnessAdmin,
} from './witness-place.ts'

interface ConflictFlags extends WitnessPlace {
  readonly out?: string
  readonly json?: boolean
}

const KINDS = {
  'split-view': 'SPLIT VIEW: the log has signed two heads that contradict each other',
  unproven: 'not proven: the log has forked, or the proof that came with its head was bad',
} as const

export function withConflictCommand(command: Command): void {
  const conflicts = command
    .command('conflicts')
    .summary('show the heads that did not fit, and write their evidence')
    .description(
      'Show the heads that logs have signed and that did not fit the last one. A split view can be ' +
        'proven to anyone: cairn verify checks its file.',
    )
    .option('--out <folder>', 'write the signed heads there: evidence files, or two notes each')
    .action(async (flags: ConflictFlags) => showConflicts(flags))
  withWitnessPlace(conflicts)
  withCommonHelp(conflicts, ['cairn witness conflicts --out ./evidence'])
}

async function showConflicts(flags: ConflictFlags): Promise<void> {
  const admin = await witnessAdmin(flags)
  const conflicts = await admin.conflicts().catch(explainRefusal)
  const files = new Map<string, readonly string[]>()
  if (flags.out !== undefined) {
    await makeDirectory(flags.out)
    for (const conflict of conflicts) {
      files.set(conflict.id, await writeConflict(admin, conflict, flags.out))
    }
  }
  if (flags.json === true) {
    printJson({ conflicts: conflicts.map((one) => jsonOf(one, files.get(one.id))) })
    return
  }
  if (conflicts.length === 0) {
    note('no head was refused that did not fit')
    return
  }
  for (const conflict of conflicts) print(conflict, files.get(conflict.id) ?? [])
  note(plural(conflicts.length, 'conflict'))
}

/** The evidence of a split view in one file; two notes where there is no evidence yet. */
async function writeConflict(
  admin: WitnessAdmin,
  { id, kind }: WitnessConflict,
  folder: string,
): Promise<string[]> {
  if (kind === 'split-view') {
    const file = join(folder, `${id}.split-view`)
    await writeFile(file, await admin.evidence(id))
    return [file]
  }
  const { cosigned, refused } = await admin.notes(id)
  const files = [join(folder, `${id}.cosigned`), join(folder, `${id}.refused`)]
  await writeFile(files[0]!, cosigned)
  await writeFile(files[1]!, refused)
  return files
}

function print(conflict: WitnessConflict, files: readonly string[]): void {
  const { style, columns, text } = terminal()
  const { id, origin, kind, cosigned, refused, seenAt } = conflict
  const paint = kind === 'split-view' ? style.red : style.yellow
  const rows = [
    ['conflict', `${id}, ${age(Date.now() - seenAt.getTime())}`],
    ['cosigned', `${count(cosigned.size)} leaves, ${cosigned.root}`],
    ['refused', `${count(refused.size)} leaves, ${refused.root}`],
    ...files.map((file) => ['file', file]),
  ]
  text(`${style.bold(printable(origin))}\n${paint(`  ${KINDS[kind]}`)}\n`)
  text(`${formatTable(rows, { columns, indent: 2 })}\n`)
}

function jsonOf(conflict: WitnessConflict, files: readonly string[] | undefined): unknown {
  const { id, origin, kind, cosigned, refused, seenAt } = conflict
  const head = ({ size, root }: WitnessConflict['cosigned']) => ({
    tree_size: size,
    root_hash: root,
  })
  return {
    id,
    origin,
    kind,
    cosigned: head(cosigned),
    refused: head(refused),
    seen_at: seenAt.toISOString(),
    ...(files && { files }),
  }
}
