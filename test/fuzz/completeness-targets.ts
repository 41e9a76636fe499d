/** What is fuzzed of completeness: map roots, proofs, and what a proof is taken for. */
import { fromHex, utf8 } from '../../src/bytes.ts'
import { formatCompleteList, parseCompleteList } from '../../src/formats/complete-list.ts'
import {
  formatCompleteness,
  parseCompleteness,
  verifyCompleteness,
} from '../../src/formats/completeness.ts'
import { formatMapRoot, parseMapRoot } from '../../src/formats/completeness-root.ts'
import { listedRecord, termsOf } from '../../src/formats/completeness-terms.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import type { Target } from './fuzz.ts'
import { attempt, canonical, promise } from './promises.ts'
import type { Seeds } from './seeds.ts'

export function completenessTargets({ completeness, logKey }: Seeds): Target[] {
  const { checkpoint, leaves, proofs, files } = completeness
  const seeds = proofs.map(({ proof }) => utf8(proof))
  const head = openCheckpoint(utf8(checkpoint), [logKey]).checkpoint
  const listed = leaves.slice(0, completeness.map_root.size).flatMap((leaf, index) => {
    const record = listedRecord(fromHex(leaf))
    return record === undefined ? [] : [{ index, terms: termsOf(record) }]
  })
  return [
    canonical(
      'map-root',
      [fromHex(leaves[completeness.map_root.entry]!)],
      parseMapRoot,
      formatMapRoot,
    ),
    canonical(
      'complete-list',
      files.map(({ file }) => utf8(file)),
      parseCompleteList,
      formatCompleteList,
    ),
    canonical('completeness', seeds, parseCompleteness, formatCompleteness),
    {
      name: 'completeness-verdict',
      seeds,
      run(input) {
        const list = attempt(() => verifyCompleteness(parseCompleteness(input), head))?.value
        if (list === undefined) return false
        const { tenant, field, value } = list.term
        const right = listed.filter(({ terms }) =>
          terms.some((one) => one.tenant === tenant && one.field === field && one.value === value),
        )
        const indices = right.map(({ index }) => index)
        promise(indices.join() === list.indices.join(), 'another list is proven')
        return true
      },
    },
  ]
}
