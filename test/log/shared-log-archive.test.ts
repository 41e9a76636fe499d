import { archivedLogConformance } from './archived-conformance.ts'

archivedLogConformance('a shared log with an archive in a directory', 'directory')
