/**
 * How large does a log on several servers get, and what does its storage cost? Prints the tables of docs/sizing.md.
 * Prices are assumptions; put in your own: `npx tsx bench/sizing.ts --put 4.5 --database 0.2`.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  bytesUp,
  CHECKPOINT_BYTES,
  DATABASE,
  keptBytes,
  LEAF_FOR_GOOD,
  leafInDatabase,
  loneLeafInDatabase,
  noncurrentBytes,
  puts,
  RECORD,
  RECORD_FOR_GOOD,
  rounds,
  SETTLE_SECONDS,
  steadyWork,
  treeShape,
} from './sizing-model.ts'
import { count } from './table.ts'

/** In dollars. Near the list prices of large providers in 2026, and no offer of any. */
const PRICES = {
  /** A GB for a month in object storage, */
  storage: 0.023,
  /** the same in the class that old bundles are moved to, */
  cold: 0.004,
  /** a million requests that write, */
  put: 5,
  /** a million that read, */
  get: 0.4,
  /** a million objects moved to that class, */
  transition: 20,
  /** a GB that leaves the provider, */
  transfer: 0.09,
  /** a GB for a month on the disks of the database. */
  database: 0.115,
}
type Prices = Record<keyof typeof PRICES, number>

const YEARS = 7
const MONTHS = 12 * YEARS
const DAYS = 2_557
const SECONDS = DAYS * 86_400
const ALL = 1e10
const LEAF = 300
const MILLION = 1e6
const INTERVALS = [0.2, 1, 5]
const RATES = [10, 100, 1_000, 10_000]
/** Assumed: what a backup is read back at, bytes a second. */
const RESTORED = 200e6
/** Leaves that `cairn audit` reads and checks in a second, over a line that is fast enough. */
const AUDITED = 400_000

/** All tables, as Markdown. */
export function tables(prices: Prices = PRICES): string[] {
  return [
    constants(),
    requests(),
    cost(prices),
    tree(),
    archived(),
    database(),
    recovery(),
    tiered(prices),
  ]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    line(head),
    `|${head.map((_, i) => (i === 0 ? '---|' : '--:|')).join('')}`,
    ...rows.map(line),
  ].join('\n')
}

function constants(): string {
  return table(
    ['measured', 'bytes'],
    [
      [
        'entry of 300 bytes and its hash in `entry_runs`, in runs of 256',
        count(leafInDatabase(LEAF) - LEAF_FOR_GOOD),
      ],
      ['the same, sequenced alone', count(loneLeafInDatabase(LEAF) - LEAF_FOR_GOOD)],
      ['a leaf in `leaf_index`, table and index', count(LEAF_FOR_GOOD)],
      ['a request with an idempotency key', count(DATABASE.idempotencyKey)],
      ['write-ahead log for a leaf of 300 bytes in a large batch', count(DATABASE.wal)],
      ['leaf of a record with a payload of 1,000 bytes', count(RECORD.leaf)],
      ['its payload in `vault_payloads`', count(RECORD.payload)],
      ['its key in `vault_keys`', count(RECORD.key)],
      ['its rows in `index_rows`', count(RECORD.index)],
      ['its part of `map_rows`', count(RECORD.map)],
      ['a checkpoint, without witnesses', count(CHECKPOINT_BYTES)],
    ],
  )
}

function requests(): string {
  const rows = RATES.flatMap((rate) =>
    INTERVALS.map((interval) => {
      const pace = { rate, interval, leafBytes: LEAF }
      const work = steadyWork(pace, MILLION)
      return [
        count(rate),
        `${interval}`,
        count(rounds(pace, MILLION)),
        count(work.full.count),
        count(work.partial.count),
        count(puts(work)),
        count(work.removed),
        megabytes(bytesUp(work)),
        megabytes(keptBytes(work)),
      ]
    }),
  )
  return table(
    [
      'leaves/s',
      'interval, s',
      'checkpoints',
      'full objects',
      'partial objects',
      'PUT',
      'DELETE',
      'MB written',
      'MB that stay',
    ],
    rows,
  )
}

function cost(prices: Prices): string {
  const rows = RATES.flatMap((rate) =>
    INTERVALS.map((interval) => {
      const asLeaf = costOf(prices, { rate, interval, leafBytes: LEAF }, LEAF_FOR_GOOD)
      const record = LEAF_FOR_GOOD + RECORD_FOR_GOOD
      const asRecord = costOf(prices, { rate, interval, leafBytes: RECORD.leaf }, record)
      return [
        count(rate),
        `${interval}`,
        dollars(asLeaf.requests),
        dollars(asLeaf.bucket),
        dollars(asLeaf.database),
        dollars(asLeaf.requests + asLeaf.bucket + asLeaf.database),
        dollars(asRecord.requests + asRecord.bucket + asRecord.database),
      ]
    }),
  )
  return table(
    [
      'leaves/s',
      'interval, s',
      'PUT, once',
      'bucket, 7 years',
      'database, 7 years',
      'a million leaves of 300 bytes',
      'a million records of 1 kB',
    ],
    rows,
  )
}

/** For a million, over all the years. */
function costOf(
  prices: Prices,
  pace: Parameters<typeof steadyWork>[0],
  databaseBytes: number,
): { requests: number; bucket: number; database: number } {
  const work = steadyWork(pace, MILLION)
  return {
    requests: (puts(work) / 1e6) * prices.put,
    bucket: (keptBytes(work) / 1e9) * prices.storage * MONTHS,
    database: ((databaseBytes * MILLION) / 1e9) * prices.database * MONTHS,
  }
}

function tree(): string {
  const rows = treeShape(ALL).map(({ full, width }, level) => [
    `tiles of level ${level}`,
    count(full),
    width === 0 ? 'none' : `${width} hashes`,
    gigabytes(full * 8_192),
  ])
  const [{ full, width }] = treeShape(ALL) as [{ full: number; width: number }]
  return table(
    ['10 billion leaves', 'full', 'and a partial one of', 'GB'],
    [
      ...rows,
      [
        'bundles, entries of 300 bytes',
        count(full),
        width === 0 ? 'none' : `${width} entries`,
        gigabytes(ALL * (LEAF + 2)),
      ],
    ],
  )
}

function paceOfAll(interval: number): Parameters<typeof steadyWork>[0] {
  return { rate: ALL / SECONDS, interval, leafBytes: LEAF }
}

function archived(): string {
  const rows = [...INTERVALS, 60].map((interval) => {
    const work = steadyWork(paceOfAll(interval), ALL)
    return [
      `${interval}`,
      millions(work.heads.count),
      gigabytes(work.heads.bytes),
      millions(work.full.count + work.heads.count),
      terabytes(keptBytes(work)),
      gigabytes(keptBytes(work) / DAYS),
      millions(puts(work)),
      terabytes(noncurrentBytes(work)),
    ]
  })
  return table(
    [
      'interval, s',
      'heads, millions',
      'GB of heads',
      'objects in all, millions',
      'TB in the bucket',
      'GB a day',
      'PUT, millions',
      'TB of old versions',
    ],
    rows,
  )
}

function database(): string {
  const rate = ALL / SECONDS
  const waiting = rate * (SETTLE_SECONDS + 1) * (leafInDatabase(LEAF) - LEAF_FOR_GOOD)
  const row = (what: string, bytes: number, aDay = bytes / DAYS): string[] => [
    what,
    gigabytes(bytes),
    (aDay / 1e9).toFixed(2),
  ]
  return table(
    ['database of 10 billion leaves', 'GB', 'GB a day'],
    [
      row('`leaf_index`, for good', ALL * LEAF_FOR_GOOD),
      ['entries that wait for their release, a minute of them', (waiting / 1e9).toFixed(3), '0'],
      row('with a bucket, leaves alone', ALL * LEAF_FOR_GOOD + waiting),
      row('without a bucket, entries in runs of 256', ALL * leafInDatabase(LEAF)),
      row('without a bucket, every leaf sequenced alone', ALL * loneLeafInDatabase(LEAF)),
      row('idempotency keys, one for every leaf', ALL * DATABASE.idempotencyKey),
      row(
        'vault, if all are records of 1 kB and none expires',
        ALL * (RECORD.payload + RECORD.key),
      ),
      row('search index and map of them', ALL * (RECORD.index + RECORD.map)),
      ['write-ahead log, at the least', '', ((rate * 86_400 * DATABASE.wal) / 1e9).toFixed(1)],
      [
        'write-ahead log, when each leaf is the first on its page',
        '',
        ((rate * 86_400 * (DATABASE.wal + DATABASE.page)) / 1e9).toFixed(1),
      ],
    ],
  )
}

function recovery(): string {
  const levels = treeShape(ALL).length
  const bucketBytes = keptBytes(steadyWork(paceOfAll(1), ALL))
  const entriesAndTiles = steadyWork(paceOfAll(1), ALL).full.bytes
  return table(
    ['10 billion leaves', 'what is read', 'how long'],
    [
      ['a server starts', `${3 * levels} tiles at the most, two heads`, 'below a second'],
      [
        'another server leads',
        'what was sequenced and is in no tree yet',
        'up to 4 s, with a lease of 3',
      ],
      [
        'the database is restored',
        `${terabytes(ALL * LEAF_FOR_GOOD)} TB, leaves alone`,
        hours((ALL * LEAF_FOR_GOOD) / RESTORED),
      ],
      [
        'the same, if all are records of 1 kB',
        `${terabytes(ALL * (LEAF_FOR_GOOD + RECORD_FOR_GOOD))} TB`,
        hours((ALL * (LEAF_FOR_GOOD + RECORD_FOR_GOOD)) / RESTORED),
      ],
      ['an auditor reads all of it', `${terabytes(entriesAndTiles)} TB`, hours(ALL / AUDITED)],
      ['a copy of the bucket', `${terabytes(bucketBytes)} TB`, hours(bucketBytes / RESTORED)],
    ],
  )
}

function tiered(prices: Prices): string {
  const work = steadyWork(paceOfAll(1), ALL)
  const bundles = ALL / 256
  const bundleBytes = ALL * (LEAF + 2)
  const month = (bytes: number, price: number): number => (bytes / 1e9) * price
  const rest = keptBytes(work) - bundleBytes
  const row = (what: string, then: number, once: number): string[] => [
    what,
    `${count(then)} $`,
    once === 0 ? '' : `${count(once)} $`,
  ]
  const reading = (bundleBytes / 1e9) * prices.transfer + (bundles / 1e6) * prices.get
  return table(
    ['10 billion leaves of 300 bytes, a checkpoint a second', 'a month', 'once'],
    [
      row('bundles in the first class', month(bundleBytes, prices.storage), 0),
      row(
        'bundles in the class for old ones',
        month(bundleBytes, prices.cold),
        (bundles / 1e6) * prices.transition,
      ),
      row('tiles and heads, which are never moved', month(rest, prices.storage), 0),
      row('database with a bucket, leaves alone', month(ALL * LEAF_FOR_GOOD, prices.database), 0),
      ['all bundles read once from outside of the provider', '', `${count(reading)} $`],
      ['PUT, over the seven years', '', `${count((puts(work) / 1e6) * prices.put)} $`],
    ],
  )
}

function megabytes(bytes: number): string {
  return count(bytes / 1e6)
}

function gigabytes(bytes: number): string {
  const value = bytes / 1e9
  return value < 10 ? value.toFixed(2) : count(value)
}

function terabytes(bytes: number): string {
  return (bytes / 1e12).toFixed(2)
}

function millions(value: number): string {
  return (value / 1e6).toFixed(1)
}

function dollars(value: number): string {
  return `${value.toFixed(2)} $`
}

function hours(seconds: number): string {
  return `${(seconds / 3_600).toFixed(1)} hours`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = Object.fromEntries(Object.keys(PRICES).map((name) => [name, { type: 'string' }]))
  const { values } = parseArgs({ options: options as Record<string, { type: 'string' }> })
  const given = Object.entries(values).map(([name, value]) => [name, Number(value)])
  console.log(tables({ ...PRICES, ...Object.fromEntries(given) }).join('\n\n'))
}
