/**
 * Secrets that must never be logged, in the values of a submission: found before anything is stored, and refused or
 * masked (spec/secrets.md). No message ever holds what was found.
 */
import { type CairnError, malformed, messageOf } from '../errors.ts'
import {
  type DocumentSource,
  readDocument,
  readItems,
  readMap,
  readObject,
  readText,
  wrongAt,
} from './json-members.ts'
import { pointerToken, shownPointer } from './json-pointer.ts'
import { isJsonObject, type JsonObject, type JsonValue, setMember } from './json-strict.ts'
import { jsonOf, type SubmittedRecord } from './record.ts'
import { type MemberNode, RECORD_NODE, type Treatment } from './record-members.ts'
import { line, NAME, NONCE, oneOf, SIGNATURE } from './record-values.ts'
import { looksRandom, passesLuhn, passesMod97 } from './secret-checks.ts'
import { compileSecretPattern, MAX_PATTERN_LENGTH } from './secret-pattern.ts'
import { BUILT_IN_RULES, type TextRule } from './secret-rules.ts'

/** `version` of every file of rules. */
export const SECRET_RULES_VERSION = 'cairn-secret-rules/v1'
/** The largest file of rules, in bytes. */
export const MAX_SECRET_RULES_SIZE = 65_536
/** The most rules that an operator can add. */
const MAX_SECRET_RULES = 100

/** What becomes of a record in which a secret is found; `warn` keeps it as it is. */
const SECRET_ACTIONS = ['refuse', 'mask', 'warn'] as const
export type SecretAction = (typeof SECRET_ACTIONS)[number]

interface ActiveRule extends TextRule {
  readonly action: SecretAction
}

export interface SecretRules {
  readonly rules: readonly ActiveRule[]
}

export interface Finding {
  /** The member that holds it. */
  readonly pointer: string
  readonly rule: string
  /** Completes "what looks like …". */
  readonly about: string
  readonly action: SecretAction
  /** Where it begins, in UTF-16 units of the string; of a number, in its decimal digits. */
  readonly offset: number
  readonly length: number
}

const CHECKS: Readonly<Record<string, (text: string) => boolean>> = {
  luhn: (text) => passesLuhn(text.replace(/[^0-9]/g, '')),
  mod97: (text) => passesMod97(text.replace(/[^A-Za-z0-9]/g, '').toUpperCase()),
  entropy: looksRandom,
}

/** The rules of this program alone: what they find is masked. */
export const DEFAULT_SECRET_RULES: SecretRules = {
  rules: BUILT_IN_RULES.map((rule) => ({ ...rule, action: 'mask' })),
}

/**
 * Reads an operator's file of rules; they add to the rules of this program, and can change what these do.
 * @throws MALFORMED with the JSON Pointer of what is wrong; TOO_LARGE beyond 64 KiB
 */
export function parseSecretRules(source: DocumentSource): SecretRules {
  const document = readDocument(source, { size: MAX_SECRET_RULES_SIZE, depth: 4 })
  const file = readObject(document, '', ['version'], ['actions', 'rules'])
  readText(file.version, '/version', oneOf([SECRET_RULES_VERSION]))
  const builtIn = BUILT_IN_RULES.map(({ name }) => name)
  const changed = readMap(file.actions ?? {}, '/actions', NAME, 100, (value, pointer, name) => {
    if (!builtIn.includes(name)) {
      throw wrongAt(pointer, `there is no such rule; there are ${builtIn.join(', ')}`)
    }
    return readText(value, pointer, oneOf([...SECRET_ACTIONS, 'off'])) as SecretAction | 'off'
  })
  const added = readItems(file.rules, '/rules', MAX_SECRET_RULES, readRule)
  added.forEach(({ name }, i) => {
    const names = [...builtIn, ...added.slice(0, i).map((rule) => rule.name)]
    if (names.includes(name)) throw wrongAt(`/rules/${i}/name`, `there is a rule ${name} already`)
  })
  const kept = BUILT_IN_RULES.flatMap((rule) => {
    const action = changed.get(rule.name) ?? 'mask'
    return action === 'off' ? [] : [{ ...rule, action }]
  })
  return { rules: [...kept, ...added] }
}

function readRule(value: JsonValue, pointer: string): ActiveRule {
  const rule = readObject(value, pointer, ['name', 'pattern', 'action'], ['check'])
  const name = readText(rule.name, `${pointer}/name`, NAME)
  const action = readText(rule.action, `${pointer}/action`, oneOf(SECRET_ACTIONS)) as SecretAction
  const check =
    rule.check === undefined
      ? () => true
      : CHECKS[readText(rule.check, `${pointer}/check`, oneOf(Object.keys(CHECKS)))]!
  const pattern = compiledAt(rule.pattern, `${pointer}/pattern`)
  return {
    name,
    about: `a secret of the rule ${name}`,
    action,
    find(text, report) {
      for (const found of text.matchAll(pattern)) {
        if (check(found[0])) report(found.index, found[0].length)
      }
    },
  }
}

function compiledAt(value: JsonValue | undefined, pointer: string): RegExp {
  const pattern = readText(value, pointer, line(MAX_PATTERN_LENGTH))
  try {
    return compileSecretPattern(pattern)
  } catch (cause) {
    throw malformed(`${pointer}: ${messageOf(cause)}`, { cause })
  }
}

/** Shorter texts hold no secret that any rule knows. */
const SHORTEST = 4
const SEVERITY: Readonly<Record<SecretAction, number>> = { warn: 0, mask: 1, refuse: 2 }

/**
 * The secrets in the values of a submission, in the order in which they stand there. Where a record keeps identifiers
 * in the clear, and where it names people, a secret is to be refused even by a rule that masks: masked, two of them
 * would be one.
 */
export function findSecrets(submission: SubmittedRecord, rules: SecretRules): Finding[] {
  const findings: Finding[] = []
  visitValues(jsonOf(submission), RECORD_NODE, '', '', (value, place) => {
    const text = String(value)
    if (text.length < SHORTEST) return
    const found: Finding[] = []
    for (const { name, about, action, find } of rules.rules) {
      const firm = action === 'mask' && !place.canMask ? 'refuse' : action
      const report = (offset: number, length: number) => {
        found.push({ pointer: place.pointer(), rule: name, about, action: firm, offset, length })
      }
      find(text, report, place.name)
    }
    if (found.length > 0) findings.push(...withoutContained(found))
  })
  return findings
}

/** A token in a header in a pair is found three times; once is enough, unless a part is more serious than the whole. */
function withoutContained(found: readonly Finding[]): Finding[] {
  const sorted = [...found].sort(
    (a, b) => a.offset - b.offset || b.length - a.length || SEVERITY[b.action] - SEVERITY[a.action],
  )
  // How far what was kept reaches, by severity or more.
  const ends = [0, 0, 0]
  return sorted.filter(({ action, offset, length }) => {
    const severity = SEVERITY[action]
    const end = offset + length
    if (ends[severity]! >= end) return false
    for (let i = 0; i <= severity; i++) ends[i] = Math.max(ends[i]!, end)
    return true
  })
}

interface Place {
  pointer(): string
  /** The name of a member that the table does not have; of an item, of its array. */
  readonly name: string
  /** Whether a mask may take the value's place. */
  readonly canMask: boolean
}

const MASKED: readonly (Treatment | undefined)[] = ['committed', 'extra', undefined]

/** Visits each string, and each number where a string may stand as well. */
function visitValues(
  value: JsonValue,
  node: MemberNode | undefined,
  pointer: string,
  name: string,
  visit: (value: string | number, place: Place) => void,
): void {
  if (typeof value === 'string' || typeof value === 'number') {
    if (node?.type === NONCE || node?.type === SIGNATURE) return
    if (typeof value === 'number' && node?.type.holds('') === false) return
    const canMask = MASKED.includes(node?.treatment)
    visit(value, { pointer: () => pointer, name: node === undefined ? name : '', canMask })
  } else if (Array.isArray(value)) {
    value.forEach((item: JsonValue, i) => {
      visitValues(item, node?.item, `${pointer}/${i}`, name, visit)
    })
  } else if (isJsonObject(value)) {
    for (const member of Object.keys(value)) {
      const below = `${pointer}/${pointerToken(member)}`
      visitValues(value[member]!, node?.members.get(member), below, member, visit)
    }
  }
}

/**
 * Why a submission is refused, when it is: the member, the rule and the place, without the secret. A signed one is
 * refused where others are masked, for its signature is over what it said.
 */
export function refusalOfSecrets(
  submission: SubmittedRecord,
  findings: readonly Finding[],
): CairnError | undefined {
  const signed = submission.signature !== undefined
  const first = findings.find(({ action }) => action === 'refuse' || (signed && action === 'mask'))
  if (first === undefined) return undefined
  const { pointer, rule, about, offset } = first
  const why = first.action === 'mask' ? '. A signed record cannot be masked' : ''
  return malformed(
    `${shownPointer(pointer)}: has what looks like ${about} (${rule}) at character ${offset + 1}${why}; leave it out`,
  )
}

/** What stands where a secret was. */
function maskOf(rule: string): string {
  return `[removed: ${rule}]`
}

/**
 * The submission with a mask in the place of each secret; findings of the action warn are left as they are. A number
 * becomes a string.
 * @throws MALFORMED when a finding is to be refused
 */
export function maskSecrets(
  submission: SubmittedRecord,
  findings: readonly Finding[],
): SubmittedRecord {
  const refusal = refusalOfSecrets(submission, findings)
  if (refusal !== undefined) throw refusal
  const byPointer = new Map<string, Finding[]>()
  for (const finding of findings) {
    if (finding.action !== 'mask') continue
    const others = byPointer.get(finding.pointer)
    if (others === undefined) byPointer.set(finding.pointer, [finding])
    else others.push(finding)
  }
  if (byPointer.size === 0) return submission
  return masked(jsonOf(submission), RECORD_NODE, '', byPointer) as unknown as SubmittedRecord
}

function masked(
  value: JsonValue,
  node: MemberNode | undefined,
  pointer: string,
  findings: ReadonlyMap<string, readonly Finding[]>,
): JsonValue {
  if (Array.isArray(value)) {
    return value.map((item: JsonValue, i) => masked(item, node?.item, `${pointer}/${i}`, findings))
  }
  if (isJsonObject(value)) {
    const copy: Record<string, JsonValue> = {}
    for (const [name, member] of Object.entries(value) as [string, JsonValue][]) {
      const below = `${pointer}/${pointerToken(name)}`
      setMember(copy, name, masked(member, node?.members.get(name), below, findings))
    }
    return copy as JsonObject
  }
  const here = findings.get(pointer)
  if (here === undefined) return value
  const text = maskedText(String(value), here)
  // A mask can be longer than what it hides, and a line may then be too long.
  return node === undefined || node.type.holds(text) ? text : maskOf(here[0]!.rule)
}

function maskedText(text: string, findings: readonly Finding[]): string {
  let out = ''
  let at = 0
  for (const { rule, offset, length } of [...findings].sort((a, b) => a.offset - b.offset)) {
    // What overlaps goes with the first.
    if (offset >= at) out += text.slice(at, offset) + maskOf(rule)
    at = Math.max(at, offset + length)
  }
  return out + text.slice(at)
}
