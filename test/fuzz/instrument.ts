/**
 * Makes code count which of its branches it takes, and how near its comparisons come to being equal: what guides the
 * fuzzer. Each branch and comparison gets counters of its own in `globalThis.__fuzz`.
 */
import { parse } from 'acorn'

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [part: string]: unknown
}

export interface Instrumented {
  readonly code: string
  /** The first counter that is free for the next file. */
  readonly counters: number
  /** The text constants of the code: what inputs are likely made of. */
  readonly words: readonly string[]
}

/** Counters of one comparison: one for each step nearer to equality. */
export const STEPS = 16
const LONGEST_WORD = 64

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

/** Instruments a module in plain JavaScript; its counters begin at `first`. */
export function instrument(source: string, first: number): Instrumented {
  const inserted: { at: number; text: string }[] = []
  const words = new Set<string>()
  let counters = first

  const insert = (at: number, text: string): void => {
    inserted.push({ at, text })
  }
  const hit = (): string => `__fuzz.hits[${counters++}]++`
  /** What follows belongs to the statement, such as its `else`. */
  const countStatement = (node: Node, follows = ''): void => {
    if (node.type === 'BlockStatement') {
      insert(node.start + 1, `${hit()};`)
      if (follows !== '') insert(node.end, follows)
    } else {
      insert(node.start, `{${hit()};`)
      insert(node.end, `}${follows}`)
    }
  }
  const countExpression = (node: Node): void => {
    insert(node.start, `(${hit()},(`)
    insert(node.end, '))')
  }
  const part = (node: Node, name: string): Node | undefined => {
    const value = node[name]
    return isNode(value) ? value : undefined
  }

  const visit = (node: Node): void => {
    switch (node.type) {
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression': {
        const body = part(node, 'body')!
        if (body.type === 'BlockStatement') countStatement(body)
        else countExpression(body)
        break
      }
      case 'IfStatement': {
        const otherwise = part(node, 'alternate')
        const consequent = part(node, 'consequent')!
        countStatement(consequent, otherwise === undefined ? ` else {${hit()}}` : '')
        // `else if` counts its own branches.
        if (otherwise !== undefined && otherwise.type !== 'IfStatement') countStatement(otherwise)
        break
      }
      case 'ForStatement':
      case 'ForInStatement':
      case 'ForOfStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
      case 'CatchClause':
        countStatement(part(node, 'body')!)
        break
      case 'SwitchCase': {
        const [statement] = node.consequent as Node[]
        if (statement) insert(statement.start, `${hit()};`)
        break
      }
      case 'ConditionalExpression':
        countExpression(part(node, 'consequent')!)
        countExpression(part(node, 'alternate')!)
        break
      case 'LogicalExpression':
        countExpression(part(node, 'right')!)
        break
      case 'BinaryExpression':
        if (node.operator === '===' || node.operator === '!==') {
          const [left, right] = [part(node, 'left')!, part(node, 'right')!]
          insert(node.start, `${node.operator === '!==' ? '!' : ''}__fuzz.same(${counters},(`)
          insert(left.end, ')')
          // The operator itself becomes the comma between the arguments.
          const operator = source.indexOf(node.operator, left.end)
          inserted.push({ at: operator, text: ',' })
          removed.push({ start: operator, end: operator + 3 })
          insert(right.start, '(')
          insert(node.end, '))')
          counters += STEPS
        }
        break
      case 'Literal':
        if (typeof node.value === 'string') words.add(node.value)
        else if (typeof node.value === 'number') words.add(String(node.value))
        break
      case 'TemplateElement': {
        const { cooked } = node.value as { cooked: string | null }
        if (cooked !== null) words.add(cooked)
        break
      }
    }
    for (const value of Object.values(node)) {
      if (isNode(value)) visit(value)
      else if (Array.isArray(value)) for (const item of value) if (isNode(item)) visit(item)
    }
  }

  const removed: { start: number; end: number }[] = []
  visit(parse(source, { ecmaVersion: 2023, sourceType: 'module' }) as unknown as Node)
  return {
    code: apply(source, inserted, removed),
    counters,
    words: [...words].filter((word) => word !== '' && word.length <= LONGEST_WORD),
  }
}

/**
 * Insertions at one place keep the order in which they were asked for when they open something, so that what belongs to
 * an outer node comes first; those that close something are reversed.
 */
function apply(
  source: string,
  inserted: readonly { at: number; text: string }[],
  removed: readonly { start: number; end: number }[],
): string {
  const skips = new Map(removed.map(({ start, end }) => [start, end]))
  const places = new Map<number, { closing: string; opening: string }>()
  for (const { at, text } of inserted) {
    const place = places.get(at) ?? { closing: '', opening: '' }
    if (/^[)}]|^ else/.test(text)) place.closing = text + place.closing
    else place.opening += text
    places.set(at, place)
  }
  let code = ''
  let from = 0
  for (const at of [...places.keys()].sort((a, b) => a - b)) {
    const { closing, opening } = places.get(at)!
    code += source.slice(from, at) + closing + opening
    from = skips.get(at) ?? at
  }
  return code + source.slice(from)
}
