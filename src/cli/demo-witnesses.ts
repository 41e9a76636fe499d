/** Witnesses in `cairn demo`: three of them in other hands, and a log whose operator tells two stories. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../bytes.ts'
import type { Trust } from '../client/verdict.ts'
import { verifyCheckpoint } from '../client/verify-checkpoint.ts'
import { verifySplitView } from '../client/verify-split-view.ts'
import { formatPolicy, type Policy } from '../formats/policy.ts'
import { parseVkey, type VerifierKey } from '../formats/vkey.ts'
import { loadConfig } from '../server/config.ts'
import { type RunningServer, serve } from '../server/serve.ts'
import { type RunningWitness, serveWitness } from '../server/witness.ts'
import { loadWitnessConfig } from '../server/witness-config.ts'
import { checks, fact, heading, result, type Stage, type Step } from './demo-stage.ts'
import { wrap } from './table.ts'

const NAMES = ['university.example', 'newspaper.example', 'ombudsman.example']

/** The witnesses, and the policy by which the log asks them. */
export interface DemoWitnesses {
  readonly policy: Policy
  readonly policyFile: string
  /** Tells them whose heads to cosign. */
  watch(logKeys: readonly VerifierKey[]): Promise<void>
  close(): Promise<void>
}

/** Three witnesses, of which two must cosign. */
export async function startWitnesses(folder: string): Promise<DemoWitnesses> {
  const running: RunningWitness[] = []
  for (const name of NAMES) {
    const flags = { data: join(folder, name), name, port: 0, 'ml-dsa': false }
    running.push(await serveWitness(await loadWitnessConfig({ flags, env: {} })))
  }
  const policy: Policy = {
    logs: [],
    witnesses: running.map(({ name, url, witness }) => ({
      name,
      key: parseVkey(witness.vkeys[0]!),
      url,
    })),
    groups: [{ name: 'two', threshold: 2, members: NAMES }],
    quorum: 'two',
  }
  const policyFile = join(folder, 'policy.txt')
  await writeFile(policyFile, formatPolicy(policy))
  return {
    policy,
    policyFile,
    async watch(logKeys) {
      for (const { witness } of running) await witness.watch(logKeys)
    },
    async close() {
      for (const one of running) await one.close()
    },
  }
}

/** The newest head, and who has cosigned it. */
export async function showWitnesses({
  client,
  records,
  trust,
  policy,
  signal,
  out,
}: Stage): Promise<Step> {
  heading(out, 6, 'Three witnesses, none of them the bank, have cosigned the newest head')
  const demanding: Trust = { ...trust, policy }
  let verdict = verifyCheckpoint(await client.checkpoint({ signal }), demanding)
  while (verdict.opened !== undefined && verdict.opened.checkpoint.size < records.length) {
    await new Promise((done) => setTimeout(done, 20))
    verdict = verifyCheckpoint(await client.checkpoint({ signal }), demanding)
  }
  for (const { key, timestamp } of verdict.opened?.cosignatures ?? []) {
    fact(out, key.name, `has seen this log grow, last at ${timeOf(timestamp)}`)
  }
  checks(out, verdict.checks)
  const detail = 'two of the three suffice: one may fail, and none can be leaned on alone'
  result(out, verdict.ok, detail)
  return { step: 'witnesses', ok: verdict.ok, detail }
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 19)
}

export interface Fork {
  readonly folder: string
  /** The log's data directory. */
  readonly data: string
  readonly policyFile: string
  /** Starts the log again, as it was. */
  restart(): Promise<RunningServer>
}

/**
 * The operator copies everything, keys and signer's state and all, and lets each copy log another decision: one for
 * the witnesses, one for the customer.
 */
export async function forkLog({ trust, out, signal }: Stage, fork: Fork): Promise<Step> {
  out.line(
    `   ${out.style.bold('Two stories:')} the operator copies the log, and shows each side its own`,
  )
  const copy = join(fork.folder, 'copy')
  await cp(fork.data, copy, { recursive: true })
  await cp(`${fork.data}.signer`, `${copy}.signer`, { recursive: true })

  const shown = await fork.restart()
  await tell(shown, fork.data, 'declined', signal, '?wait=witnessed')
  const secret = await serve(await copyConfig(copy))
  await tell(secret, copy, 'approved', signal)
  await secret.close()

  // Sooner or later somebody asks a witness about the other story.
  let evidence: string | undefined
  const caught = await serve(await copyConfig(copy, fork.policyFile), {
    onEvent(event) {
      if (event.event === 'evidence-kept') evidence = event.file
    },
  })
  const reason = await readOnlyReason(caught.url, signal)
  while (reason !== undefined && evidence === undefined) {
    signal.throwIfAborted()
    await new Promise((done) => setTimeout(done, 20))
  }
  await caught.close()
  await shown.close()
  if (evidence === undefined) {
    result(out, false, 'NOT FOUND OUT')
    return { step: 'fork', ok: false, detail: 'NOT FOUND OUT' }
  }
  const verdict = verifySplitView(await readFile(evidence), trust)
  out.line(
    `     ${out.style.red('refused')}  no witness cosigns the second story; the log stops writing`,
  )
  out.line(
    `     ${out.style.red('kept')}     ${wrap(verdict.finding, out.columns - 16).join(`\n${' '.repeat(14)}`)}`,
  )
  const detail = verdict.ok ? 'found out, and provable to anyone with the public key' : 'NOT PROVEN'
  result(out, verdict.ok, detail)
  return { step: 'fork', ok: verdict.ok, detail }
}

function copyConfig(data: string, policy?: string): ReturnType<typeof loadConfig> {
  return loadConfig({ flags: { data, port: 0, ...(policy !== undefined && { policy }) }, env: {} })
}

async function tell(
  server: RunningServer,
  data: string,
  decision: string,
  signal: AbortSignal,
  query = '',
): Promise<void> {
  const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim()
  const answer = await fetch(`${server.url}/v1/leaves${query}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/octet-stream',
      Authorization: `Bearer ${token}`,
      Prefer: 'return=minimal',
    },
    body: utf8(JSON.stringify({ type: 'decision', decision })) as Uint8Array<ArrayBuffer>,
    signal,
  })
  await answer.arrayBuffer()
}

async function readOnlyReason(url: string, signal: AbortSignal): Promise<string | undefined> {
  const answer = await fetch(`${url}/readyz`, { signal })
  const { logs } = (await answer.json()) as { logs: readonly { mode: string; reason?: string }[] }
  return logs[0]?.mode === 'read-only' ? logs[0].reason : undefined
}
