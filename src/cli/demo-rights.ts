/** The part of `cairn demo` about people: a complaint is answered with evidence, a hold stops an erasure, and a month ends. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hold } from '../client/record-answers.ts'
import { drawnRecord } from '../client/trail-rows.ts'
import type { Trust } from '../client/verdict.ts'
import { verifyEvidence } from '../client/verify-evidence.ts'
import { CairnError } from '../errors.ts'
import { CUSTOMER } from './demo-records.ts'
import { checks, fact, heading, result, type Stage, type Step } from './demo-stage.ts'
import { checkReceipts } from './demo-steps.ts'
import { byteCount, plural } from './style.ts'
import { formatTrail } from './trail.ts'

/** What is found of the customer, and under which grant it may be read. */
export interface Complaint {
  readonly step: Step
  /** The id of the grant. */
  readonly grant: string
  /** Where the decision is that she complains about. */
  readonly index: number
  readonly evidence: Uint8Array
}

/** Finds the customer's records, gets a grant that a second person approves, and makes evidence that is verified offline. */
export async function answerComplaint(stage: Stage): Promise<Complaint> {
  const { people, folder, signal, out } = stage
  const { auditor, approver } = people
  heading(out, 7, 'A customer complains: why was my loan declined?')
  const { records } = await auditor.search({ subject: CUSTOMER.person }, { signal })
  const decision = records.find(({ type }) => type === 'decision')!
  fact(out, 'found by her name', `${plural(records.length, 'record')} of ${CUSTOMER.person}`)
  fact(out, 'the decision', `entry ${decision.index}, of the request ${decision.request_id}`)

  const scope = { request_id: CUSTOMER.request }
  const purpose = 'complaint about a declined loan'
  const asked = { purpose, ticket: 'CASE-311', scope, minutes: 30 }
  const { id: grant } = await auditor.requestGrant(asked, { signal })
  const own = await refusal(auditor.decideGrant(grant, 'approve', { signal }))
  fact(out, 'a grant to read it', `asked for by an auditor: ${purpose}, for 30 minutes`)
  fact(out, '', 'refused when they approve it themselves', out.style.red)
  const { decidedBy } = await approver.decideGrant(grant, 'approve', { signal })
  fact(out, '', `approved by ${decidedBy}; what is read is recorded`, out.style.green)

  const file = join(folder, `${CUSTOMER.request}.cairn`)
  const evidence = await auditor.evidence({ scope, purpose, grant }, { signal })
  await writeFile(file, evidence)
  const { ok, detail } = showEvidence(stage, evidence)
  const step = { step: 'evidence', ok: ok && own === 'FORBIDDEN', detail }
  return { step, grant, index: decision.index, evidence }
}

/** What the customer, her lawyer or a court sees, with the public keys and nothing else. */
function showEvidence(
  { trust, policy, out }: Stage,
  evidence: Uint8Array,
): Pick<Step, 'ok' | 'detail'> {
  const demanding: Trust = { ...trust, policy }
  const verdict = verifyEvidence(evidence, demanding)
  checks(
    out,
    verdict.checks.filter(({ status }) => status === 'failed'),
  )
  const columns = out.columns - 3
  out.line()
  const trail = formatTrail(verdict.records.map(drawnRecord), { style: out.style, columns })
  out.text(trail.replace(/^/gm, '   ').replace(/ +$/, ''))
  const what = plural(verdict.records.length, 'record')
  const detail = `${what} with proof in a file of ${byteCount(evidence.length)}, verified offline`
  result(out, verdict.ok, detail)
  return { ok: verdict.ok, detail }
}

/** A hold stops the erasure; once it is lifted the person goes, and no proof with them. */
export async function erasePerson(stage: Stage, complaint: Complaint): Promise<Step> {
  const { people, trust, policy, signal, out } = stage
  const { officer, auditor } = people
  heading(out, 8, 'She asks to be erased, which a legal hold forbids until it is lifted')
  const basis = 'GDPR Art. 17(1)(b), request 2026-311'
  const erase = () => officer.erase({ subject: CUSTOMER.person, basis }, { signal })
  const hold: Hold = await officer.placeHold(
    {
      name: 'case-311',
      reason: 'the complaint is before the ombudsman',
      scope: { subject: CUSTOMER.person },
    },
    { signal },
  )
  fact(out, 'legal hold', `${hold.name}: ${hold.reason}`)
  let reason = ''
  const held = await refusal(erase(), (message) => {
    reason = message
  })
  fact(out, 'erasure', `refused: ${reason}`, out.style.red)
  await officer.liftHold(hold.name, 'settled', { signal })
  fact(out, 'legal hold', 'lifted: settled')
  const { records, pseudonym, erasure } = await erase()
  const done = `done: ${plural(records, 'record')} lost what was kept of her`
  fact(out, 'erasure', `${done}; entry ${erasure.index} of the log says so`, out.style.green)

  const receipts = await checkReceipts(stage)
  result(out, receipts.ok, `${receipts.held} of ${receipts.total} receipts hold as before`)
  const { grant, index, evidence } = complaint
  const { payload } = await auditor.read(index, { grant, signal })
  // The name of whoever acted is theirs, and stays.
  const isGone =
    payload?.state === 'erased' ||
    payload?.disclosures.every(({ pointer }) => pointer === '/actor') === true
  result(out, isGone, 'what the decision said is gone, under the grant, too')
  const found = await auditor.search({ subject: CUSTOMER.person }, { signal })
  const left = await auditor.search({ subject: pseudonym }, { signal })
  const isUnknown = found.records.length === 0 && left.records.length > 0
  result(out, isUnknown, 'her name leads to nothing; her records stay, under a pseudonym of nobody')
  const verdict = verifyEvidence(evidence, { ...trust, policy })
  result(out, verdict.ok, 'the evidence that was handed out still verifies')
  const ok = held === 'HELD' && receipts.ok && isGone && isUnknown && verdict.ok
  return { step: 'erase', ok, detail: `${records} records lost what was kept of a person` }
}

/** The report on the month, as a page. */
export async function reportMonth({ people, folder, isKept, signal, out }: Stage): Promise<Step> {
  const month = new Date().toISOString().slice(0, 7)
  heading(out, 9, 'The month ends: what the supervisor gets')
  const page = await people.auditor.report(month, 'html', { signal })
  const data = await people.auditor.report(month, 'json', { signal })
  const name = `report-${month}.html`
  const file = join(folder, name)
  await writeFile(file, page)
  const report = JSON.parse(new TextDecoder().decode(data)) as {
    readonly records: { readonly total: number }
  }
  fact(out, 'in it', 'what was recorded, who read what, what was erased')
  fact(out, 'and', 'its heads and witnesses: whether the log can be believed')
  fact(out, 'the page', isKept ? file : `${name}; --keep FOLDER keeps it`)
  const ok = report.records.total > 0
  const detail = `a report on ${plural(report.records.total, 'record')}, ${byteCount(page.length)}, to print or to mail`
  result(out, ok, detail)
  return { step: 'report', ok, detail }
}

/** The code with which something was refused, as it has to be; `OK` when it was not. */
async function refusal(
  attempt: Promise<unknown>,
  onMessage: (message: string) => void = () => {},
): Promise<string> {
  try {
    await attempt
    return 'OK'
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    onMessage(error.message)
    return error.code
  }
}
