/** What must never be logged, as an operator says: the file of the setting `secret-rules`. */
import {
  DEFAULT_SECRET_RULES,
  MAX_SECRET_RULES_SIZE,
  parseSecretRules,
  type SecretRules,
} from '../formats/secrets.ts'

/** The rules of a file, which add to those of this program; without one, those. @throws USAGE with the file and the place in it */
export async function readSecretRulesFile(file: string | undefined): Promise<SecretRules> {
  if (file === undefined) return DEFAULT_SECRET_RULES
  const { readDocumentFile } = await import('./document-file.ts')
  return readDocumentFile(file, {
    name: 'secret rules',
    limit: MAX_SECRET_RULES_SIZE,
    parse: parseSecretRules,
  })
}
