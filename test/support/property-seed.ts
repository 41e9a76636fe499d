/**
 * Property tests draw other cases in each run, except where a run decides about a merge: there the same cases decide
 * for everybody. `TEST_PROPERTY_SEED=N npm test` draws those of N.
 */
import fc from 'fast-check'

const DEFAULT_SEED = 6962

const given = process.env.TEST_PROPERTY_SEED
fc.configureGlobal({ seed: given === undefined ? DEFAULT_SEED : Number(given) })
