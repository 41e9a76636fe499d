import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { drawInclusionPath } from '../../src/cli/draw-path.ts'
import { styleFor } from '../../src/cli/style.ts'
import { inclusionAt, rootAt } from '../support/example-log.ts'

describe('drawInclusionPath', () => {
  it('draws the path of a leaf in a tree whose right edge is incomplete', () => {
    const lines = drawInclusionPath({ ...inclusionAt(5, 7), size: 7 }, styleFor({}, {}))
    expect(lines.map((line) => line.replace(/[0-9a-f]{8}/, '#'))).toEqual([
      '● #  leaves 0–6  = the root that the log signed',
      '├─○ #  leaves 0–3',
      '└─● #  leaves 4–6',
      '  ├─● #  leaves 4–5',
      '  │ ├─○ #  leaf 4',
      '  │ └─● #  leaf 5  the record itself',
      '  └─○ #  leaf 6',
    ])
  })

  it('leads to the root, for every leaf of every tree', () => {
    for (let size = 1; size <= 13; size++) {
      for (let index = 0; index < size; index++) {
        const [root] = drawInclusionPath({ ...inclusionAt(index, size), size }, styleFor({}, {}))
        expect(root).toContain(toHex(rootAt(size)).slice(0, 8))
      }
    }
  })
})
