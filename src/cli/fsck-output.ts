/** How `cairn fsck` tells what it found, and what it looked at. */
import type { MapFinding } from '../completeness/inspect-map.ts'
import type { Finding, FsckSummary } from '../log/fsck.ts'
import { terminal } from './command.ts'
import type { BucketFinding, CheckedArchive } from './fsck-archive.ts'
import type { VaultFinding } from './fsck-records.ts'
import { byteCount, duration, plural, printable } from './style.ts'

export type AnyFinding = Finding | VaultFinding | MapFinding | BucketFinding

/** Prints findings as they come, or keeps them for the one document. */
export function collector(quiet: boolean): {
  readonly findings: readonly AnyFinding[]
  readonly found: (finding: AnyFinding) => void
} {
  const { style, line } = terminal()
  const findings: AnyFinding[] = []
  return {
    findings,
    found(finding: AnyFinding): void {
      findings.push(finding)
      if (quiet) return
      line(`${style.red('✗')} ${style.bold(printable(finding.name))} ${printable(finding.detail)}`)
    },
  }
}

/** What was checked, in words. */
export function checkedWords(
  { size, bytes }: FsckSummary,
  { vaultRows, mapEntries }: Record<'vaultRows' | 'mapEntries', number | undefined>,
  archive: CheckedArchive | undefined,
): string {
  const payloads = vaultRows === undefined ? '' : `, ${plural(vaultRows, 'row')} of the vault`
  const map = mapEntries === undefined ? '' : ', the map of records'
  const bucket = archive === undefined ? '' : `, ${archiveWords(archive)}`
  return `${plural(size, 'entry', 'entries')}, ${byteCount(bytes)}${payloads}${map}${bucket}`
}

export function archiveWords({ size, objects, place }: CheckedArchive): string {
  return `the archive of ${plural(size, 'entry', 'entries')} in ${plural(objects, 'object')} of ${place}`
}

/** For `--json`. */
export function figuresOf({ head: _, ...figures }: CheckedArchive): object {
  return figures
}

/** The last line, or what it begins with. */
export function verdict(found: number, checked: string, elapsedMs: number): string {
  const { style } = terminal()
  const time = duration(elapsedMs)
  return found === 0
    ? `${style.green('✓')} ${style.bold('nothing wrong')}: ${checked} ${style.dim(`(${time})`)}`
    : style.red(style.bold(`${plural(found, 'finding')} in ${checked} (${time})`))
}
