/**
 * How long payloads are kept, in the log: a record says by which table and jurisdiction, whenever that is not what the
 * last one says; without a jurisdiction where nobody has said where the tenant is. The digest is that of the table's
 * canonical JSON, so that an auditor who is shown a table can tell whether it is the one.
 */
import type { ComplianceContext } from './context.ts'

/**
 * Notes for a tenant what it is kept by, unless the log says so already.
 * @throws as ComplianceContext.note() and ownRecords()
 */
export async function noteRetention(context: ComplianceContext, tenant: string): Promise<void> {
  const { retention } = context
  if (retention === undefined) return
  const jurisdiction = retention.jurisdictionOf(tenant)
  const table = retention.table.digest
  await context.alone(tenant, async () => {
    const query = { type: 'retention', action: 'set' } as const
    for await (const { extra } of context.ownRecords(query, tenant)) {
      if (extra?.table === table && extra.jurisdiction === jurisdiction) return
      break
    }
    await context.note(
      { ...query, extra: { ...(jurisdiction !== undefined && { jurisdiction }), table } },
      tenant,
    )
  })
}
