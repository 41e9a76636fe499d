/** `cairn token`: who may use a log or a witness, and what each may do. Works while the server runs. */
import { type Command, InvalidArgumentError } from 'commander'
import { ROLES, type Role } from '../compliance/principal.ts'
import { messageOf, usage } from '../errors.ts'
import { TIME } from '../formats/record-values.ts'
import {
  addToken,
  listTokens,
  revokeToken,
  type TokensPlace,
  tokenId,
} from '../server/change-tokens.ts'
import { databaseOf } from '../server/storage-settings.ts'
import {
  checkTenant,
  checkTokenName,
  formatExpiry,
  type KnownToken,
  parseRoles,
} from '../server/tokens.ts'
import {
  checkMarks,
  type DirectoryKind,
  directoryKind,
  openDataDirectory,
} from '../storage/data-directory.ts'
import { note, printJson, terminal, withCommonHelp } from './command.ts'
import { printable } from './style.ts'
import { formatTable } from './table.ts'

const UNIT_MS = { h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
const MAX_LIFE_MS = 3_660 * UNIT_MS.d

/** What a token is good for unless it is said: the least that is of use. */
const DEFAULT_ROLES: Readonly<Record<DirectoryKind, readonly Role[]>> = {
  log: ['submitter'],
  witness: ['administrator'],
}

interface TokenFlags {
  readonly data?: string
  readonly database?: string
  readonly databaseSchema?: string
  readonly databasePasswordFile?: string
  readonly json?: boolean
}

interface AddFlags extends TokenFlags {
  readonly roles?: readonly Role[]
  readonly tenant?: string
  readonly expires?: number
  readonly another?: boolean
}

export function configure(command: Command): void {
  command.description(
    'Add, list and revoke the access tokens of a log or a witness. A running server takes a change at once.',
  )
  const add = command
    .command('add')
    .summary('make a token for somebody')
    .description('Make a token for somebody, and print it: this is the only time it is shown.')
    .argument('<name>', 'whose it is: a person or a program', checked(checkTokenName))
    .option(
      '--roles <roles>',
      `what it is good for, between commas: ${ROLES.join(', ')} (default: submitter)`,
      converted(parseRoles),
    )
    .option(
      '--tenant <name>',
      "whose records (default: the log's own tenant)",
      checked(checkTenant),
    )
    .option('--expires <time>', 'a time, or how long it lasts: 12h, 90d, 2w', converted(expiryOf))
    .option('--another', 'give somebody a second token')
    .action(addOne)
  const list = command
    .command('list')
    .summary('show who has a token')
    .description('Show who has a token, and what for. The tokens themselves are kept nowhere.')
    .action(listAll)
  const revoke = command
    .command('revoke')
    .summary('take a token back')
    .description('Take a token back, by the name of whoever has it, or by the id that list shows.')
    .argument('<name|id>', 'which one')
    .action(revokeOne)
  for (const one of [add, list, revoke]) {
    one
      .option('--data <folder>', 'data directory of the log or witness')
      .option('--database <url>', 'PostgreSQL database of a log that several servers share')
      .option('--database-schema <name>', 'schema of that database (default: cairn)')
      .option('--database-password-file <file>', 'file with the password of that database')
  }
  const data = '--data ./cairn-data'
  withCommonHelp(add, [
    `cairn token add payments-app ${data}`,
    `cairn token add ann@example.com --roles auditor,reader --expires 90d ${data}`,
  ])
  withCommonHelp(list, [
    `cairn token list ${data}`,
    'cairn token list --database postgres://cairn@db.example.org/cairn',
  ])
  withCommonHelp(revoke, [`cairn token revoke payments-app ${data}`])
}

async function addOne(name: string, flags: AddFlags): Promise<void> {
  const { tenant, expires, another = false } = flags
  const { token, known } = await withTokens(flags, CHANGE, (tokens, kind) =>
    addToken(tokens, {
      name,
      roles: flags.roles ?? DEFAULT_ROLES[kind],
      another,
      ...(tenant !== undefined && { tenant }),
      ...(expires !== undefined && { expires }),
    }),
  )
  if (flags.json === true) return printJson({ token, ...described(known) })
  const until = expires === undefined ? '' : `, until ${formatExpiry(expires)}`
  note(`${name}: ${known.roles.join(', ')}${until}. The token is not shown again:`)
  terminal().line(token)
}

async function listAll(flags: TokenFlags): Promise<void> {
  const tokens = await withTokens(flags, READ, listTokens)
  if (flags.json === true) return printJson({ tokens: tokens.map(described) })
  const { style, columns, line, text } = terminal()
  if (tokens.length === 0) return line('nobody has a token')
  const now = Date.now()
  const rows = tokens.map((token) => [
    tokenId(token),
    printable(token.name),
    token.tenant ?? '-',
    token.expires === undefined ? 'never' : formatExpiry(token.expires),
    token.roles.join(', '),
  ])
  text(
    formatTable([['id', 'name', 'tenant', 'expires', 'roles'], ...rows], {
      columns,
      paint: (cell, row, column) => {
        if (row === 0) return style.bold(cell)
        const { expires } = tokens[row - 1]!
        return column === 3 && expires !== undefined && expires <= now ? style.red(cell) : cell
      },
    }),
  )
}

async function revokeOne(which: string, flags: TokenFlags): Promise<void> {
  const revoked = await withTokens(flags, CHANGE, (tokens) => revokeToken(tokens, which))
  if (flags.json === true) return printJson({ revoked: described(revoked) })
  terminal().line(`the token ${tokenId(revoked)} of ${revoked.name} is good for nothing any more`)
}

function described(token: KnownToken) {
  const { name, tenant, roles, expires } = token
  return {
    id: tokenId(token),
    name,
    ...(tenant !== undefined && { tenant }),
    roles,
    ...(expires !== undefined && { expires: formatExpiry(expires) }),
  }
}

interface TokenUse {
  readonly toRead: boolean
}

const READ: TokenUse = { toRead: true }
/** Those of a log that was moved away are changed where it is now. */
const CHANGE: TokenUse = { toRead: false }

/** Does something with the tokens that the flags lead to. @throws USAGE */
async function withTokens<T>(
  flags: TokenFlags,
  { toRead }: TokenUse,
  work: (tokens: TokensPlace, kind: DirectoryKind) => Promise<T>,
): Promise<T> {
  const { data, databaseSchema: schema, databasePasswordFile: passwordFile } = flags
  const database = databaseOf(
    {
      ...(flags.database !== undefined && { database: flags.database }),
      ...(schema !== undefined && { 'database-schema': schema }),
      ...(passwordFile !== undefined && { 'database-password-file': passwordFile }),
    },
    '--',
    'cairn',
  )
  if (database === undefined) {
    if (data === undefined) {
      throw usage('say where the tokens are: --data DIR, or --database URL for those in a database')
    }
    const kind = (await directoryKind(data)) ?? 'log'
    const { path, tokensFile } = await openDataDirectory(data, { create: false, kind })
    if (!toRead) await checkMarks(path, ['moved'])
    return work(tokensFile, kind)
  }
  if (data !== undefined) throw usage('the tokens are in --data or in --database; give one of them')
  // Others need no driver.
  const { openDatabaseTokens } = await import('../server/database-tokens.ts')
  const tokens = await openDatabaseTokens(database, { toRead })
  try {
    return await work(tokens.store, 'log')
  } finally {
    await tokens.close()
  }
}

/** When a token expires, in milliseconds. @throws USAGE */
export function expiryOf(text: string, now: number = Date.now()): number {
  const [, amount, unit] = /^([1-9][0-9]{0,5})([hdw])$/.exec(text) ?? []
  const time = unit === undefined ? timeOf(text) : now + lengthOf(Number(amount), unit)
  if (time <= now) throw usage(`${text} is over already`)
  if (time > now + MAX_LIFE_MS) throw usage('a token lasts ten years at the most')
  return Math.floor(time / 1000) * 1000
}

function lengthOf(amount: number, unit: string): number {
  return amount * UNIT_MS[unit as keyof typeof UNIT_MS]
}

function timeOf(text: string): number {
  if (TIME.holds(text)) return Date.parse(text)
  throw usage(`it is hours, days or weeks as in 12h, 90d and 2w, or ${TIME.expected}`)
}

/** Says which argument is wrong, as commander does for its own checks. */
function converted<T>(read: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return read(text)
    } catch (error) {
      throw new InvalidArgumentError(messageOf(error))
    }
  }
}

function checked(check: (text: string) => void): (text: string) => string {
  return converted((text) => {
    check(text)
    return text
  })
}
