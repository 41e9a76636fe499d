/** What records can be found by: the members that have postings, and the words for them. */

/** Each field with the byte that stands for it in keys, which never changes. */
export const FIELD_CODES = {
  request: 1,
  session: 2,
  subject: 3,
  actor: 4,
  type: 5,
  action: 6,
  model: 7,
  modelVersion: 8,
  environment: 9,
  blind: 10,
  retentionClass: 11,
} as const

export type Field = keyof typeof FIELD_CODES
export const FIELDS = Object.keys(FIELD_CODES) as readonly Field[]

/** A field that has a value. */
export interface Term {
  readonly field: Field
  readonly value: string
}
