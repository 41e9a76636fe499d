/** How long payloads are kept, as an operator says: the file of the setting `retention-table`. */
import {
  MAX_RETENTION_TABLE_SIZE,
  parseRetentionTable,
  type RetentionTable,
} from '../formats/retention.ts'
import { DEFAULT_RETENTION_TABLE } from '../formats/retention-table.ts'

/** The table of a file; without one, that of this program. @throws USAGE with the file and the place in it */
export async function readRetentionFile(file: string | undefined): Promise<RetentionTable> {
  if (file === undefined) return DEFAULT_RETENTION_TABLE
  const { readDocumentFile } = await import('./document-file.ts')
  return readDocumentFile(file, {
    name: 'retention table',
    limit: MAX_RETENTION_TABLE_SIZE,
    parse: parseRetentionTable,
  })
}
