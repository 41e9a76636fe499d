/** Real input: 1,319 questions with the answers of four models, each answer the submission of an llm_request. */
import { existsSync, readFileSync } from 'node:fs'
import type { SubmittedRecord } from '../../src/formats/record.ts'

const INPUT = new URL('../../../shared/data/gsm8k-model-solutions.jsonl', import.meta.url)

/** Whether the input is there; says so when it is not. */
export function hasModelAnswers(): boolean {
  if (existsSync(INPUT)) return true
  console.warn('the model interactions are not here: making records of them is skipped')
  return false
}

interface Solution {
  readonly is_correct: boolean
  readonly solution: string
}
interface Line {
  readonly question: string
  readonly ground_truth: string
  readonly [model: string]: Solution | string
}

const MODELS = ['6b_finetuning', '6b_verification', '175b_finetuning', '175b_verification'] as const

/** A submission for each answer; none when there is no input. */
export function modelAnswers(): SubmittedRecord[] {
  return existsSync(INPUT) ? submissionsOf(readFileSync(INPUT, 'utf8')) : []
}

function submissionsOf(text: string): SubmittedRecord[] {
  const lines = text.trimEnd().split('\n')
  return lines.flatMap((line, i) => {
    const { question, ground_truth, ...solutions } = JSON.parse(line) as Line
    return MODELS.map((model): SubmittedRecord => {
      const { solution, is_correct } = solutions[model] as Solution
      return {
        type: 'llm_request',
        request_id: `gsm8k-${i}-${model}`,
        session_id: `gsm8k-${i}`,
        subject: `pupil-${i % 97}@school.example`,
        model: { name: model, provider: 'example' },
        input: { prompt: question },
        output: { text: solution },
        guardrails: [
          { name: 'answer', verdict: is_correct ? 'pass' : 'fail', reason: ground_truth },
        ],
      }
    })
  })
}
