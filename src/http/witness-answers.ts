/** What a witness answers over HTTP (C2SP tlog-witness): cosignatures and sizes as the protocol has them, problems else. */
import type { AddCheckpointOutcome, SignSubtreeOutcome } from '../witness/service.ts'
import { type Answer, answer, COMMON, UNCACHED } from './answer.ts'
import { type ProblemCode, problem } from './problem.ts'

export const TEXT = 'text/plain; charset=utf-8'
/** SPEC tlog-witness: this and no more; clients compare the whole value. */
export const SIZE_TYPE = 'text/x.tlog.size'

type Refusal = Exclude<
  (AddCheckpointOutcome | SignSubtreeOutcome)['outcome'],
  'cosigned' | 'signed' | 'conflict'
>

const PROBLEMS: Readonly<Record<Refusal, ProblemCode>> = {
  malformed: 'MALFORMED',
  'too-large': 'TOO_LARGE',
  'unknown-log': 'NOT_FOUND',
  untrusted: 'UNTRUSTED',
  inconsistent: 'VERIFICATION_FAILED',
}

export function answerFor(outcome: AddCheckpointOutcome | SignSubtreeOutcome): Answer {
  switch (outcome.outcome) {
    case 'cosigned':
    case 'signed':
      return answer(TEXT, UNCACHED, outcome.cosignatures)
    case 'conflict':
      return {
        status: 409,
        headers: { 'Content-Type': SIZE_TYPE, 'Cache-Control': UNCACHED, ...COMMON },
        body: `${outcome.size}\n`,
      }
    default:
      return problem(PROBLEMS[outcome.outcome], outcome.detail)
  }
}
