/** Whether the records of evidence are in the log's tree, by the nodes of the tree that the file has. */
import { CairnError, messageOf } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { linesOf, type ProofNode, parseProofLine } from '../formats/evidence-lines.ts'
import { MAX_PROOF_HASHES } from '../formats/tlog-proof.ts'
import type { Position } from '../merkle/position.ts'
import { sharedInclusion, sharedInclusionPath } from '../merkle/shared-inclusion.ts'
import { type EvidenceProblem, problemOf, type TrailEntry } from './evidence-trail.ts'

/** Adds to the problems of entries; gives those that belong to none. */
export function examineInclusion(
  bytes: Uint8Array,
  entries: readonly TrailEntry[],
  { size, root }: Checkpoint,
): EvidenceProblem[] {
  const { nodes, problems } = readNodes(bytes, entries.length)
  const hashes = new Map(nodes.map(({ position, hash }) => [keyOf(position), hash]))
  const tree = sharedInclusion(size, root, (position) => hashes.get(keyOf(position)))

  const reasonOf = (entry: TrailEntry): string | undefined => {
    // What is not listed has no place that could be proven, and what is missing no leaf.
    if (entry.listed === undefined || entry.leafHash === undefined) return undefined
    try {
      tree.verify(entry.listed.index, entry.leafHash)
      return undefined
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
      return messageOf(error)
    }
  }
  const failing = entries.filter((entry) => reasonOf(entry) !== undefined)
  for (const entry of failing) {
    // Once more, with all the nodes that other records have proven: a spoiled one need not spoil a record.
    const reason = reasonOf(entry)
    if (reason === undefined) continue
    const what = `is not shown to be in the tree of ${size}: ${reason}`
    entry.problems.push(problemOf(entry, 'not in the log', what))
  }
  const spoiled = nodes.filter(({ position, hash }) => tree.agrees(position, hash) === false)
  const all = problems.concat(
    spoiled.map(({ position }) => wrong(`${nodeName(position)} has another hash`)),
  )
  return all.length === 0 ? compareShape(nodes, entries, size) : all
}

interface Nodes {
  readonly nodes: readonly ProofNode[]
  readonly problems: EvidenceProblem[]
}

function readNodes(bytes: Uint8Array, records: number): Nodes {
  const nodes: ProofNode[] = []
  const problems: EvidenceProblem[] = []
  try {
    // One record more than there are, so that a path too many is told by its first node.
    const lines = linesOf(bytes, 'proof.txt', (records + 1) * MAX_PROOF_HASHES)
    lines.forEach((line, i) => {
      try {
        nodes.push(parseProofLine(line))
      } catch (error) {
        problems.push(wrong(`line ${i + 1} of proof.txt cannot be read: ${messageOf(error)}`))
      }
    })
  } catch (error) {
    problems.push(wrong(messageOf(error)))
  }
  return { nodes, problems }
}

/** The nodes are those on the paths of the records, each once, and in order; whatever else is there proves nothing. */
function compareShape(
  nodes: readonly ProofNode[],
  entries: readonly TrailEntry[],
  size: Checkpoint['size'],
): EvidenceProblem[] {
  const indices = entries.flatMap(({ listed }) => listed?.index ?? [])
  // Then it is said of the records.
  if (indices.some((index) => index >= size)) return []
  const path = sharedInclusionPath(indices, size)
  for (let i = 0; i < Math.max(path.length, nodes.length); i++) {
    const expected = path[i]
    const found = nodes[i]?.position
    if (expected && found && keyOf(expected) === keyOf(found)) continue
    const where = `line ${i + 1} of proof.txt`
    if (expected === undefined) return [wrong(`${where} is one too many`)]
    return [
      wrong(
        `${where} should be ${nodeName(expected)}${found ? `, and is ${nodeName(found)}` : ''}`,
      ),
    ]
  }
  return []
}

function wrong(detail: string): EvidenceProblem {
  return { kind: 'proof', detail }
}

function keyOf({ height, index }: Position): string {
  return `${height} ${index}`
}

function nodeName({ height, index }: Position): string {
  return `node ${index} of height ${height} of the proof`
}
