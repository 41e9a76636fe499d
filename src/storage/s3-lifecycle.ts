/** A rule of a bucket that moves old objects to another storage class. Rules of others in the bucket are left as they are. */
import { fromUtf8, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import type { ObjectTransition } from './object-port.ts'
import type { S3Client } from './s3-client.ts'
import { elementsOf, escapeXml, textOf } from './s3-xml.ts'

/**
 * Has the server move objects to a storage class when they are old enough, and reads back that it will. What a rule of the
 * same names said before is replaced.
 * @returns 'there' when the bucket had that very rule
 * @throws FORBIDDEN, UNAVAILABLE; IO when the server cannot do it
 */
export async function ensureTransition(
  client: S3Client,
  transition: ObjectTransition,
): Promise<'set' | 'there'> {
  const prefix = `${client.place.prefix}${transition.names}`
  const id = `cairn ${prefix}`
  const rules = await readRules(client)
  if (rules.some((rule) => says(rule, id, prefix, transition))) return 'there'
  const others = rules.filter((rule) => textOf(rule, 'ID') !== id)
  await writeRules(client, [...others, ruleOf(id, prefix, transition)])
  const written = await readRules(client)
  if (written.some((rule) => says(rule, id, prefix, transition))) return 'set'
  throw new CairnError(
    'IO',
    `${client.place.text} took a rule that moves ${prefix} to ${transition.storageClass}, and does not show it`,
  )
}

/** The text of each rule, as the server gives it. */
async function readRules(client: S3Client): Promise<string[]> {
  const answer = await client.send({
    kind: 'settings',
    method: 'GET',
    query: { lifecycle: '' },
    verb: 'read the lifecycle rules of',
    // 404: there are none.
    expected: [200, 404],
  })
  return answer.status === 404 ? [] : elementsOf(fromUtf8(answer.body, 'lifecycle rules'), 'Rule')
}

async function writeRules(client: S3Client, rules: readonly string[]): Promise<void> {
  const inner = rules.map((rule) => `<Rule>${rule}</Rule>`).join('')
  const xmlns = 'http://s3.amazonaws.com/doc/2006-03-01/'
  await client.send({
    kind: 'settings',
    method: 'PUT',
    query: { lifecycle: '' },
    headers: { 'content-type': 'application/xml' },
    body: utf8(`<LifecycleConfiguration xmlns="${xmlns}">${inner}</LifecycleConfiguration>`),
    verb: 'write the lifecycle rules of',
    expected: [200, 204],
  })
}

function ruleOf(id: string, prefix: string, { storageClass, days }: ObjectTransition): string {
  return [
    `<ID>${escapeXml(id)}</ID>`,
    `<Filter><Prefix>${escapeXml(prefix)}</Prefix></Filter>`,
    '<Status>Enabled</Status>',
    `<Transition><Days>${days}</Days><StorageClass>${escapeXml(storageClass)}</StorageClass></Transition>`,
  ].join('')
}

function says(rule: string, id: string, prefix: string, transition: ObjectTransition): boolean {
  return (
    textOf(rule, 'ID') === id &&
    textOf(rule, 'Prefix') === prefix &&
    textOf(rule, 'Status') === 'Enabled' &&
    textOf(rule, 'Days') === `${transition.days}` &&
    textOf(rule, 'StorageClass') === transition.storageClass
  )
}
