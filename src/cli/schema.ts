/** `cairn schema`: the tables of a log in a database, made or brought up to date, and the role that may use them. */
import type { Command } from 'commander'
import { CairnError, usage } from '../errors.ts'
import { type DatabaseConfig, databaseOf } from '../server/storage-settings.ts'
import { printJson, terminal, withCommonHelp } from './command.ts'
import { printable } from './style.ts'

interface SchemaFlags {
  readonly database: string
  readonly databaseSchema?: string
  readonly databasePasswordFile?: string
  readonly grant?: string
  readonly archive?: boolean
  readonly json?: boolean
}

export function configure(command: Command): void {
  command.description(
    'Make the tables of a log in PostgreSQL, or bring them up to date, as the role that owns them; and let another role ' +
      'run the log, which can then add to it, and change nothing that it holds. Safe to be repeated.',
  )
  command
    .requiredOption('--database <url>', 'database, with the role that owns the tables')
    .option('--database-schema <name>', 'schema of the log (default: cairn)')
    .option('--database-password-file <file>', 'file that holds the password of that role')
    .option('--grant <role>', 'let this role run the log; it must exist')
    .option('--archive', 'the log has a bucket: entries that are there may leave the database')
    .option('--no-archive', 'it has none (any more), and nothing leaves the database')
    .action(run)
  // They are one attribute, of which the last would win.
  const said = new Set<string>()
  for (const name of ['archive', 'no-archive']) {
    command.on(`option:${name}`, () => {
      if (said.add(name).size > 1) throw usage('give --archive or --no-archive, not both')
    })
  }
  withCommonHelp(command, [
    'cairn schema --database postgres://owner@db.example.org/cairn --grant cairn_server --archive',
  ])
}

async function run(flags: SchemaFlags): Promise<void> {
  const config = databaseFrom(flags)
  const [{ openPool }, { grantTo, migrateSchema }, { setArchive }] = await Promise.all([
    import('../storage/postgres-pool.ts'),
    import('../storage/postgres-schema.ts'),
    import('../storage/postgres-settings.ts'),
  ])
  const pool = openPool(config)
  try {
    const { from, to } = await migrateSchema(pool)
    if (flags.archive !== undefined) await setArchive(pool, flags.archive).catch(wayOn)
    if (flags.grant !== undefined) await grantTo(pool, flags.grant)
    report(pool.place, from, to, flags)
  } finally {
    await pool.close()
  }
}

/** What leaves the database does not come back to it by itself. */
function wayOn(error: unknown): never {
  if (!(error instanceof CairnError) || error.code !== 'USAGE') throw error
  throw usage(
    `${error.message}; it keeps its bucket, or goes on without one where cairn migrate --from-config FILE moves it`,
    error,
  )
}

/** @throws USAGE */
function databaseFrom(flags: SchemaFlags): DatabaseConfig {
  const values = {
    database: flags.database,
    'database-schema': flags.databaseSchema,
    'database-password-file': flags.databasePasswordFile,
  }
  return databaseOf(values, '--', 'cairn')!
}

function report(place: string, from: number, to: number, flags: SchemaFlags): void {
  const { grant } = flags
  if (flags.json === true) {
    printJson({
      place,
      from,
      to,
      ...(grant !== undefined && { granted: grant }),
      ...(flags.archive !== undefined && { archive: flags.archive }),
    })
    return
  }
  const { line } = terminal()
  line(
    from === to
      ? `${printable(place)} is at version ${to}, the newest`
      : from === 0
        ? `${printable(place)} has its tables now, of version ${to}`
        : `${printable(place)} was brought from version ${from} to ${to}`,
  )
  if (flags.archive === true) line('what its bucket has may leave the database')
  if (flags.archive === false) line('nothing leaves the database')
  if (grant !== undefined)
    line(`${printable(grant)} may run the log, and change nothing that it holds`)
}
