/** An inclusion proof as a tree: what the verifier computes, and what it takes from the receipt. */
import { toHex } from '../bytes.ts'
import { hashChildren, type NodeHash } from '../merkle/hash.ts'
import { splitPoint } from '../merkle/position.ts'
import type { Style } from './style.ts'

export interface InclusionPath {
  readonly index: number
  readonly size: number
  readonly leafHash: NodeHash
  /** The leaf's sibling first. */
  readonly proof: readonly NodeHash[]
}

interface Node {
  readonly from: number
  readonly to: number
  readonly hash: NodeHash
  /** Left and right, where one is on the path. */
  readonly children: readonly Node[]
  readonly onPath: boolean
}

/** The subtree `[from, to)` on the way to the leaf; the last hashes of the proof belong to the largest subtrees. */
function pathNode(path: InclusionPath, from: number, to: number, proof: readonly NodeHash[]): Node {
  if (to - from === 1) return { from, to, hash: path.leafHash, children: [], onPath: true }
  const middle = from + splitPoint(to - from)
  const rest = proof.slice(0, -1)
  const isLeft = path.index < middle
  const sibling: Node = {
    from: isLeft ? middle : from,
    to: isLeft ? to : middle,
    hash: proof.at(-1)!,
    children: [],
    onPath: false,
  }
  const next = isLeft ? pathNode(path, from, middle, rest) : pathNode(path, middle, to, rest)
  const [left, right] = isLeft ? [next, sibling] : [sibling, next]
  return {
    from,
    to,
    hash: hashChildren(left.hash, right.hash),
    children: [left, right],
    onPath: true,
  }
}

/**
 * The lines of the drawing: the root on top, a filled circle for each node that is computed, an empty one for each
 * hash that the receipt brings. The proof has as many hashes as the leaf needs.
 */
export function drawInclusionPath(path: InclusionPath, style: Style): string[] {
  const lines: string[] = []
  const draw = (node: Node, branch: string, below: string): void => {
    const isLeaf = node.to - node.from === 1
    const leaves = isLeaf ? `leaf ${node.from}` : `leaves ${node.from}–${node.to - 1}`
    const isPathLeaf = isLeaf && node.onPath
    const short = toHex(node.hash.subarray(0, 4))
    const circle = node.onPath ? style.green('●') : style.cyan('○')
    const label = node.onPath ? style.bold(short) : style.cyan(short)
    const isRoot = branch === ''
    const remark = isRoot
      ? '  = the root that the log signed'
      : isPathLeaf
        ? '  the record itself'
        : ''
    lines.push(`${style.dim(branch)}${circle} ${label}  ${style.dim(leaves)}${remark}`)
    node.children.forEach((child, i) => {
      const last = i === node.children.length - 1
      draw(child, `${below}${last ? '└─' : '├─'}`, `${below}${last ? '  ' : '│ '}`)
    })
  }
  draw(pathNode(path, 0, path.size, path.proof), '', '')
  return lines
}
