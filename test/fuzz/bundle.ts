/** What is bundled with instrumented code. */
export { makeSeeds } from './seeds.ts'
export { targets } from './targets.ts'
