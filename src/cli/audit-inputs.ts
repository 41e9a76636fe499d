/** What an audit is given beside the log: checkpoints, evidence, keys of submitters, the answer to a search. */
import { createHash } from 'node:crypto'
import { type AskedSearch, MAX_ANSWER_SIZE, parseSearchAnswer } from '../client/audit-answer.ts'
import { shownByEvidence } from '../client/audit-disclosures.ts'
import type { AuditOptions, NamedNote } from '../client/audit-log.ts'
import { CairnError, messageOf, usage } from '../errors.ts'
import type { Disclosure } from '../formats/disclosure.ts'
import { MAX_EVIDENCE_SIZE } from '../formats/evidence.ts'
import type { JsonValue } from '../formats/json-strict.ts'
import { MAX_NOTE_SIZE } from '../formats/note.ts'
import { readFileUpTo } from '../server/bounded-file.ts'
import { readVkeys } from './trust.ts'

export interface InputFlags {
  readonly checkpoint?: readonly string[]
  readonly evidence?: readonly string[]
  readonly submitterKey?: readonly string[]
  readonly searchAnswer?: string
  readonly asked?: string
  /** `--no-records` makes it false. */
  readonly records?: boolean
}

export interface AuditInputs extends Pick<AuditOptions, 'checkpoints' | 'records'> {
  /** Stands for all of them: another digest, another audit. */
  readonly digest: string
}

/** @throws USAGE when one of them is not what it should be, TOO_LARGE, IO */
export async function readInputs(flags: InputFlags): Promise<AuditInputs> {
  const about = ['evidence', 'submitterKey', 'searchAnswer'] as const
  if (flags.records === false && about.some((name) => flags[name] !== undefined)) {
    throw usage('--no-records leaves records alone: nothing can be held against them')
  }
  if (flags.asked !== undefined && flags.searchAnswer === undefined) {
    throw usage('--asked goes with --search-answer')
  }
  const digest = createHash('sha256')
  const read = async (file: string, limit: number): Promise<Uint8Array> => {
    const bytes = await readFileUpTo(file, limit)
    digest.update(`${file}\n${bytes.length}\n`).update(bytes)
    return bytes
  }
  digest.update(JSON.stringify(flags))

  const checkpoints: NamedNote[] = []
  for (const file of flags.checkpoint ?? []) {
    checkpoints.push({ name: file, note: await read(file, MAX_NOTE_SIZE) })
  }
  const disclosures = new Map<number, readonly Disclosure[]>()
  for (const file of flags.evidence ?? []) {
    const shown = inside(file, shownByEvidence, await read(file, MAX_EVIDENCE_SIZE))
    checkpoints.push({ name: file, note: shown.checkpoint })
    for (const [index, some] of shown.disclosures)
      disclosures.set(index, merged(some, disclosures.get(index)))
  }
  const submitterKeys = (
    await Promise.all((flags.submitterKey ?? []).map((key) => readVkeys(key, '--submitter-key')))
  ).flat()
  const other = submitterKeys.find(({ type }) => type !== 'ed25519')
  if (other !== undefined) {
    throw usage(`the key ${other.name} is of type ${other.type}; submitters sign with ed25519`)
  }
  digest.update(JSON.stringify(submitterKeys.map(({ name, keyId }) => [name, keyId])))
  const asked = flags.asked === undefined ? undefined : askedIn(flags.asked)
  const answer =
    flags.searchAnswer === undefined
      ? undefined
      : inside(
          flags.searchAnswer,
          (bytes) => parseSearchAnswer(bytes, asked),
          await read(flags.searchAnswer, MAX_ANSWER_SIZE),
        )
  return {
    checkpoints,
    records:
      flags.records === false
        ? false
        : { submitterKeys, answer, ...(flags.evidence && { disclosures }) },
    digest: digest.digest('hex'),
  }
}

/** Two files may show the same of one record, and more of it together. */
function merged(
  some: readonly Disclosure[],
  more: readonly Disclosure[] = [],
): readonly Disclosure[] {
  const texts = new Set(more.map(textOf))
  return [...more, ...some.filter((one) => !texts.has(textOf(one)))]
}

function textOf({ json }: Disclosure): string {
  return Buffer.from(json).toString('latin1')
}

/** Reads the content of a file; what is wrong with it is the fault of whoever named it. @throws USAGE */
function inside<T>(file: string, parse: (bytes: Uint8Array) => T, bytes: Uint8Array): T {
  try {
    return parse(bytes)
  } catch (cause) {
    if (!(cause instanceof CairnError)) throw cause
    throw usage(`${file}: ${messageOf(cause)}`, cause)
  }
}

/** What was asked, as it stands in the address of a search: `tenant=acme&request_id=req-1`. */
function askedIn(text: string): AskedSearch {
  const {
    tenant,
    order,
    cursor,
    limit: _,
    ...query
  } = Object.fromEntries(new URLSearchParams(text.replace(/^\?/, '')))
  const { minimum_cost: cost, ...texts } = query
  const asked: Record<string, JsonValue> = {
    ...texts,
    ...(cost !== undefined && { minimum_cost: Number(cost) }),
  }
  return {
    query: asked,
    ...(tenant !== undefined && { tenant }),
    ...(order !== undefined && { order }),
    ...(cursor !== undefined && { cursor }),
  }
}
