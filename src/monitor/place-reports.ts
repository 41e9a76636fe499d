/** What each place showed in a round, for people. */
import type { AlertKind } from './alert.ts'
import { headAge } from './freshness.ts'
import type { Look } from './looks.ts'
import type { Memory } from './memory.ts'
import type { PlaceReport } from './report.ts'
import type { WitnessTarget } from './target.ts'

/** A report of each place that was looked at, and of each witness that has none. */
export function placeReports(
  memory: Memory,
  looks: readonly Look[],
  witnesses: readonly WitnessTarget[],
  now: number,
): PlaceReport[] {
  const sizes = looks.flatMap(({ role, head }) =>
    role === 'log' && head ? [head.checkpoint.size] : [],
  )
  const newest = Math.max(memory.size, ...sizes)
  const about = (source: string): AlertKind[] =>
    memory.alerts.active.filter((alert) => alert.source === source).map(({ kind }) => kind)
  const cosignedAge = (name: string): number | undefined => {
    const cosigned = memory.cosigned.get(name)
    return cosigned && Math.max(0, now - cosigned.time * 1000)
  }

  const seen = looks.map((look): PlaceReport => {
    const { role, source } = look
    const size = look.head?.checkpoint.size
    const age = role === 'log' ? headAge(memory, look, now) : undefined
    const cosigned = role === 'witness' ? cosignedAge(source) : undefined
    return {
      role,
      source,
      size,
      lag: size === undefined ? undefined : newest - size,
      ageMs: cosigned ?? age?.ageMs,
      isAgeSigned: cosigned !== undefined || age?.isSigned === true,
      alerts: about(source),
    }
  })
  // Witnesses that have no address of their own are known by their signatures on the log's heads.
  const others = witnesses
    .filter(({ name }) => !looks.some(({ source }) => source === name))
    .map(({ name }): PlaceReport => {
      const size = memory.cosigned.get(name)?.size
      return {
        role: 'witness',
        source: name,
        size,
        lag: size === undefined ? undefined : newest - size,
        ageMs: cosignedAge(name),
        isAgeSigned: size !== undefined,
        alerts: about(name),
      }
    })
  return [...seen, ...others]
}
