import { archivedStoreConformance } from './archived-conformance.ts'

archivedStoreConformance('the PostgreSQL store with an archive in a directory', 'directory')
