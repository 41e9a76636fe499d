/** The way of an entry to the root: drawn as a tree, and step by step. Each node of the drawing leads to its step. */
import type { JSX } from 'hono/jsx/jsx-runtime'
import { toHex } from '../../bytes.ts'
import { counted, grouped } from '../../formats/count.ts'
import { type PathStep, type ProvenEntry, pathOf, type TreeNode } from './path-steps.ts'
import { rangeText, shortHash } from './words.ts'

const NODE_WIDTH = 118
const NODE_HEIGHT = 42
const ROW = 70
const WIDTH = 384
/** Centres of the columns: what is computed stands in the middle, what is given to its left or right. */
const MIDDLE = WIDTH / 2
const SIDES = { left: NODE_WIDTH / 2 + 2, right: WIDTH - NODE_WIDTH / 2 - 2 }

export function InclusionTree({ proven }: { proven: ProvenEntry }): JSX.Element {
  const { leaf, steps, holds } = pathOf(proven)
  return (
    <div class="proof">
      <div>
        <Drawing leaf={leaf} steps={steps} holds={holds} />
        <ul class="key">
          <li>
            <span class="swatch made" />
            computed
          </li>
          <li>
            <span class="swatch" />
            given by the proof
          </li>
          <li>
            <span class="swatch ends" />
            the entry, and the signed root
          </li>
        </ul>
        <p class="small">
          Choose a node to see how its hash comes about, or <a href="#steps">see every step</a>.
        </p>
      </div>
      <ol class="steps" id="steps" aria-label="The proof step by step, from the entry to the root">
        <Start leaf={leaf} last={steps.length === 0} />
        {steps.map((step, i) => (
          <Step step={step} number={i + 1} last={i === steps.length - 1} />
        ))}
        <li>
          {holds ? (
            <h3 class="good">
              ✓ This is the root hash of the head of {counted(proven.size, 'entry', 'entries')} that
              the log signed
            </h3>
          ) : (
            <h3 class="bad">
              ✗ This is not the root hash that the log signed: {toHex(proven.root)}
            </h3>
          )}
        </li>
      </ol>
    </div>
  )
}

interface DrawnPath {
  readonly leaf: TreeNode
  readonly steps: readonly PathStep[]
  readonly holds: boolean
}

function Drawing({ leaf, steps, holds }: DrawnPath): JSX.Element {
  const height = steps.length * ROW + NODE_HEIGHT + 8
  // The root is on top.
  const rowOf = (level: number): number => 4 + (steps.length - level) * ROW
  const last = steps.length
  return (
    <svg class="tree" viewBox={`0 0 ${WIDTH} ${height}`} aria-labelledby="tree-title">
      <title id="tree-title">
        {`The tree from the root above to entry ${leaf.from} below, ${counted(last, 'level')}. Each node leads to its step.`}
      </title>
      {steps.map(({ side }, i) => {
        const [top, bottom] = [rowOf(i + 1) + NODE_HEIGHT, rowOf(i)]
        const bend = (top + bottom) / 2
        return (
          <g>
            <path class="wire" d={`M${MIDDLE} ${top}V${bottom}`} />
            <path class="wire" d={`M${MIDDLE} ${bend}H${SIDES[side]}V${bottom}`} />
          </g>
        )
      })}
      {[...steps.entries()].reverse().map(([i, { parent, sibling, side }]) => (
        <>
          <Node
            node={parent}
            x={MIDDLE}
            y={rowOf(i + 1)}
            step={i + 1}
            kind={i + 1 < last ? 'made' : holds ? 'made ends' : 'made wrong'}
            name={i + 1 < last ? 'computed' : 'root'}
          />
          <Node
            node={sibling}
            x={SIDES[side]}
            y={rowOf(i)}
            step={i + 1}
            kind="given"
            name="given"
          />
        </>
      ))}
      <Node node={leaf} x={MIDDLE} y={rowOf(0)} step={0} kind="made ends" name="the entry" />
    </svg>
  )
}

interface NodeParts {
  readonly node: TreeNode
  readonly x: number
  readonly y: number
  readonly step: number
  readonly kind: string
  readonly name: string
}

function Node({ node, x, y, step, kind, name }: NodeParts): JSX.Element {
  const { from, to, hash } = node
  const about = to - from === 1 ? `entry ${grouped(from)}` : counted(to - from, 'entry', 'entries')
  const label = `${shortHash(hash)} ${about}, ${name}; step ${step}`
  const isMade = kind !== 'given'
  return (
    <a href={`#step-${step}`} class={isMade ? `${kind} n${step}` : kind} aria-label={label}>
      <rect x={x - NODE_WIDTH / 2} y={y} width={NODE_WIDTH} height={NODE_HEIGHT} rx="6" />
      <text class="hash" x={x} y={y + 18} text-anchor="middle">
        {shortHash(hash)}
      </text>{' '}
      <text class="about" x={x} y={y + 34} text-anchor="middle">
        {about}
      </text>
    </a>
  )
}

function Start({ leaf, last }: { leaf: TreeNode; last: boolean }): JSX.Element {
  return (
    <li id="step-0" tabindex={-1}>
      <h3>
        <a href="#step-0">The hash of entry {grouped(leaf.from)}</a>
      </h3>
      <dl>
        <dt>hash</dt>
        <dd class="mono">{toHex(leaf.hash)}</dd>
      </dl>
      <p class="soft">SHA-256 of a byte 00 and the bytes of the entry</p>
      {!last && (
        <p>
          <a href="#step-1">Up to step 1</a>
        </p>
      )}
    </li>
  )
}

interface StepParts {
  readonly step: PathStep
  readonly number: number
  readonly last: boolean
}

function Step({ step, number, last }: StepParts): JSX.Element {
  const { node, sibling, side, parent } = step
  const given = (
    <>
      <dt>{side}</dt>
      <dd>
        <span class="mono">{toHex(sibling.hash)}</span> given, {rangeText(sibling.from, sibling.to)}
      </dd>
    </>
  )
  const known = (
    <>
      <dt>{side === 'left' ? 'right' : 'left'}</dt>
      <dd>
        <span class="mono">{toHex(node.hash)}</span> computed before
      </dd>
    </>
  )
  return (
    <li id={`step-${number}`} tabindex={-1}>
      <h3>
        <a href={`#step-${number}`}>
          Step {number}: {rangeText(parent.from, parent.to)}
        </a>
      </h3>
      <dl>
        {side === 'left' ? given : known}
        {side === 'left' ? known : given}
        <dt>hash</dt>
        <dd class="mono">{toHex(parent.hash)}</dd>
      </dl>
      {number === 1 && <p class="soft">SHA-256 of a byte 01, left, and right; so in each step</p>}
      <p>
        <a href={`#step-${number - 1}`}>Down to step {number - 1}</a>
        {!last && <a href={`#step-${number + 1}`}>Up to step {number + 1}</a>}
      </p>
    </li>
  )
}
