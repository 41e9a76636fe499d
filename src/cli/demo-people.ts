/** Who works with the records of `cairn demo`: four people with four tokens, as `cairn token add` makes them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createRecordsClient, type RecordsClient } from '../client/records-client.ts'
import type { Role } from '../compliance/principal.ts'
import { CairnError } from '../errors.ts'
import { addToken } from '../server/change-tokens.ts'
import type { DemoPeople } from './demo-stage.ts'

const PEOPLE = {
  application: ['assistant', 'submitter', 'reader'],
  auditor: ['lena.audit', 'auditor'],
  approver: ['omar.compliance', 'approver'],
  officer: ['rosa.privacy', 'administrator'],
} as const satisfies Record<keyof DemoPeople, readonly [name: string, ...roles: Role[]]>

/** Gives out the tokens, and waits until the server has taken notice. */
export async function invitePeople(
  url: string,
  tokensFile: string,
  signal: AbortSignal,
): Promise<DemoPeople> {
  const invite = async ([name, ...roles]: readonly [string, ...Role[]]): Promise<RecordsClient> => {
    const { token } = await addToken(tokensFile, { name, roles })
    return createRecordsClient({ url, token })
  }
  const people: DemoPeople = {
    application: await invite(PEOPLE.application),
    auditor: await invite(PEOPLE.auditor),
    approver: await invite(PEOPLE.approver),
    officer: await invite(PEOPLE.officer),
  }
  while (!(await isKnown(people.officer, signal))) await sleep(50, undefined, { signal })
  return people
}

/** The last token that was added is known when all are. */
async function isKnown(client: RecordsClient, signal: AbortSignal): Promise<boolean> {
  try {
    await client.search({ limit: 1 }, { signal })
    return true
  } catch (error) {
    if (error instanceof CairnError && error.code === 'UNAUTHORIZED') return false
    throw error
  }
}
