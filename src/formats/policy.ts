/**
 * Trust policies, C2SP tlog-policy: which logs and witnesses to believe, and whose cosignatures suffice.
 *
 *     log     <vkey> [<url>]
 *     witness <name> <vkey> [<url>]
 *     group   <name> all|any|<k> <member>...
 *     quorum  <name>|none
 *
 * The file is one of octets: only space, tab and newline mean anything, and names are compared octet by octet.
 */
import { fromDecimal, fromUtf8, toHex, utf8 } from '../bytes.ts'
import { CairnError, malformed, messageOf } from '../errors.ts'
import { LOG_KEY_TYPES, WITNESS_KEY_TYPES } from './open-checkpoint.ts'
import {
  formatVkey,
  hasForbiddenCharacter,
  parseVkey,
  type SignatureType,
  type VerifierKey,
} from './vkey.ts'

export interface PolicyLog {
  /** Its name is the log's origin. */
  readonly key: VerifierKey
  readonly url?: string
}

export interface PolicyWitness {
  /** What the policy calls it; the key has a name of its own. */
  readonly name: string
  readonly key: VerifierKey
  readonly url?: string
}

export interface PolicyGroup {
  readonly name: string
  /** How many of the members must have cosigned. */
  readonly threshold: number
  /** Names of witnesses and of groups defined before. */
  readonly members: readonly string[]
}

export interface Policy {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  /** In order of definition: a group's members come before it. */
  readonly groups: readonly PolicyGroup[]
  /** The witness or group that must have cosigned; undefined for `quorum none`. */
  readonly quorum: string | undefined
}

/** The largest policy in bytes: room for hundreds of ML-DSA-44 keys. */
export const MAX_POLICY_SIZE = 1_000_000

const NONE = 'none'

/** SPEC tlog-policy, character set: 0x09, 0x0A, 0x20-0x7E and 0x80-0xFF. */
function isAllowed(octet: number): boolean {
  return octet === 0x09 || (octet >= 0x20 && octet <= 0x7e) || octet >= 0x80
}

function isBlank(octet: number | undefined): boolean {
  return octet === 0x20 || octet === 0x09
}

/**
 * An item as text. Octets that are not UTF-8 become lone surrogates, which no UTF-8 decodes to, so that two texts are
 * equal only if their octets are.
 */
function textOf(octets: Uint8Array): string {
  try {
    return fromUtf8(octets)
  } catch {
    return Array.from(octets, (o) => String.fromCharCode(o < 0x80 ? o : 0xdc00 + o)).join('')
  }
}

/** The items of a line, separated by runs of spaces and tabs; none for an empty line and for a comment. */
function itemsOf(line: Uint8Array): string[] {
  const items: string[] = []
  for (let at = 0; at < line.length; ) {
    if (isBlank(line[at])) {
      at++
      continue
    }
    if (items.length === 0 && line[at] === 0x23) return []
    const start = at
    while (at < line.length && !isBlank(line[at])) at++
    items.push(textOf(line.subarray(start, at)))
  }
  return items
}

/** What has been read so far, and what may not be used again. */
interface Draft {
  readonly logs: PolicyLog[]
  readonly witnesses: PolicyWitness[]
  readonly groups: PolicyGroup[]
  readonly names: Set<string>
  readonly members: Set<string>
  readonly publicKeys: Record<'log' | 'witness', Set<string>>
  quorum?: string
}

function define(draft: Draft, name: string): void {
  if (name === NONE) throw malformed('the name "none" is reserved')
  if (draft.names.has(name)) throw malformed(`the name ${name} is defined twice`)
  draft.names.add(name)
}

function takeKey(draft: Draft, role: 'log' | 'witness', vkey: string): VerifierKey {
  const key = parseVkey(vkey)
  const types: readonly SignatureType[] = role === 'log' ? LOG_KEY_TYPES : WITNESS_KEY_TYPES
  if (!types.includes(key.type)) {
    throw malformed(
      `${key.name} is a key of type ${key.type}; a ${role} needs ${types.join(' or ')}`,
    )
  }
  // SPEC tlog-policy: keys are duplicates if their public keys are, even under another name and key id.
  const publicKey = toHex(key.publicKey)
  const seen = draft.publicKeys[role]
  if (seen.has(publicKey)) throw malformed(`the public key of ${role} ${key.name} is listed twice`)
  seen.add(publicKey)
  return key
}

function readLog(draft: Draft, [vkey, url, ...rest]: readonly string[]): void {
  if (vkey === undefined || rest.length > 0) throw malformed('expected log <vkey> [<url>]')
  const key = takeKey(draft, 'log', vkey)
  draft.logs.push(url === undefined ? { key } : { key, url })
}

function readWitness(draft: Draft, [name, vkey, url, ...rest]: readonly string[]): void {
  if (name === undefined || vkey === undefined || rest.length > 0) {
    throw malformed('expected witness <name> <vkey> [<url>]')
  }
  define(draft, name)
  const key = takeKey(draft, 'witness', vkey)
  draft.witnesses.push(url === undefined ? { name, key } : { name, key, url })
}

function thresholdOf(text: string, members: number): number {
  if (text === 'all') return members
  if (text === 'any') return 1
  const threshold = fromDecimal(text, 'threshold of group')
  if (threshold < 1 || threshold > members) {
    throw malformed(`threshold of group is ${threshold}; it must be from 1 to ${members}`)
  }
  return threshold
}

function readGroup(draft: Draft, [name, rule, ...members]: readonly string[]): void {
  if (name === undefined || rule === undefined || members.length === 0) {
    throw malformed('expected group <name> all|any|<number> <member>...')
  }
  for (const member of members) {
    if (!draft.names.has(member)) throw malformed(`${member} is not defined on an earlier line`)
    // SPEC tlog-policy: at most once in the file, so that each witness contributes in one way only.
    if (draft.members.has(member)) throw malformed(`${member} is a group member more than once`)
    draft.members.add(member)
  }
  define(draft, name)
  draft.groups.push({ name, threshold: thresholdOf(rule, members.length), members })
}

function readQuorum(draft: Draft, [name, ...rest]: readonly string[]): void {
  if (name === undefined || rest.length > 0) throw malformed('expected quorum <name>|none')
  if (draft.quorum !== undefined) throw malformed('there is more than one quorum line')
  if (name !== NONE && !draft.names.has(name)) {
    throw malformed(`${name} is not defined on an earlier line`)
  }
  draft.quorum = name
}

const READERS: ReadonlyMap<string, (draft: Draft, items: readonly string[]) => void> = new Map([
  ['log', readLog],
  ['witness', readWitness],
  ['group', readGroup],
  ['quorum', readQuorum],
])

function readLine(draft: Draft, line: Uint8Array): void {
  for (const octet of line) {
    if (!isAllowed(octet)) {
      const shown = octet.toString(16).padStart(2, '0')
      throw malformed(
        `octet 0x${shown} is not allowed${octet === 0x0d ? '; end lines with \\n' : ''}`,
      )
    }
  }
  const [keyword, ...items] = itemsOf(line)
  if (keyword === undefined) return
  const read = READERS.get(keyword)
  if (read === undefined) throw malformed('a line begins with log, witness, group, quorum or #')
  read(draft, items)
}

/**
 * Reads a policy file. A last line without its newline is accepted, as other readers do.
 * @throws TOO_LARGE above MAX_POLICY_SIZE
 * @throws MALFORMED, with the line's number, on anything that the standard does not allow
 */
export function parsePolicy(bytes: Uint8Array): Policy {
  if (bytes.length > MAX_POLICY_SIZE) {
    throw new CairnError('TOO_LARGE', `policy is larger than ${MAX_POLICY_SIZE} bytes`)
  }
  const draft: Draft = {
    logs: [],
    witnesses: [],
    groups: [],
    names: new Set(),
    members: new Set(),
    publicKeys: { log: new Set(), witness: new Set() },
  }
  for (let start = 0, number = 1; start < bytes.length; number++) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline < 0 ? bytes.length : newline
    try {
      readLine(draft, bytes.subarray(start, end))
    } catch (cause) {
      throw malformed(`policy line ${number}: ${messageOf(cause)}`, { cause })
    }
    start = end + 1
  }
  const { logs, witnesses, groups, quorum } = draft
  if (quorum === undefined)
    throw malformed('policy has no quorum line; "quorum none" asks for none')
  return { logs, witnesses, groups, quorum: quorum === NONE ? undefined : quorum }
}

/** One item of a line. @throws MALFORMED when it would not be read back as one item */
function item(text: string): string {
  if (text === '' || /[ \x7f]/.test(text) || hasForbiddenCharacter(text)) {
    throw malformed(`"${text}" cannot stand in a policy: it is empty, or has spaces or controls`)
  }
  return text
}

/**
 * The policy as text, without comments: logs, witnesses, groups, quorum.
 * @throws MALFORMED when parsePolicy would refuse the text, or a name is not Unicode
 */
export function formatPolicy(policy: Policy): string {
  const lines: string[][] = []
  for (const { key, url } of policy.logs) lines.push(['log', formatVkey(key), url ?? []].flat())
  for (const { name, key, url } of policy.witnesses) {
    lines.push(['witness', name, formatVkey(key), url ?? []].flat())
  }
  for (const { name, threshold, members } of policy.groups) {
    lines.push(['group', name, String(threshold), ...members])
  }
  // A witness or group cannot be called "none", but a caller could ask for one.
  if (policy.quorum === NONE) throw malformed('the name "none" is reserved')
  lines.push(['quorum', policy.quorum ?? NONE])
  const text = lines.map((items) => `${items.map(item).join(' ')}\n`).join('')
  parsePolicy(utf8(text))
  return text
}

/**
 * Whether the witnesses among `keys`, whose cosignatures of one checkpoint have been verified, satisfy the quorum.
 * Keys that are no witness of the policy count for nothing. Whether a listed log has signed is openCheckpoint's part.
 */
export function quorumSatisfied(policy: Policy, keys: readonly VerifierKey[]): boolean {
  if (policy.quorum === undefined) return true
  const cosigned = new Set(keys.map(formatVkey))
  const satisfied = new Set<string>()
  for (const { name, key } of policy.witnesses)
    if (cosigned.has(formatVkey(key))) satisfied.add(name)
  // Members come before their groups, so one pass in order suffices.
  for (const { name, threshold, members } of policy.groups) {
    if (members.filter((member) => satisfied.has(member)).length >= threshold) satisfied.add(name)
  }
  return satisfied.has(policy.quorum)
}
