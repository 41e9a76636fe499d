/** Targets that are wrong, in the place of bundle.ts: what the fuzzer has to notice. */
import type { Target } from './fuzz.ts'

export function makeSeeds(): object {
  return {}
}

export function targets(): Target[] {
  return [
    {
      name: 'endless',
      seeds: [Uint8Array.of(1), Uint8Array.of(7)],
      run([first]) {
        while (first === 7);
        return true
      },
    },
  ]
}
