import { describe, expect, it } from 'vitest'
import { durations } from '../../src/http/durations.ts'

describe('durations', () => {
  it('fall into the first bucket whose bound they do not exceed, and count in all above it', () => {
    const all = durations()
    const add = all.series('POST', '/add')
    for (const milliseconds of [0.2, 1, 1.1, 20_000]) add(milliseconds)
    const lines = all.expose().split('\n')
    const bucket = (bound: string, count: number) =>
      `cairn_http_request_duration_seconds_bucket{method="POST",route="/add",le="${bound}"} ${count}`
    expect(lines).toContain(bucket('0.001', 2))
    expect(lines).toContain(bucket('0.0025', 3))
    expect(lines).toContain(bucket('10', 3))
    expect(lines).toContain(bucket('+Inf', 4))
    expect(lines).toContain(
      'cairn_http_request_duration_seconds_count{method="POST",route="/add"} 4',
    )
    expect(lines).toContain(
      'cairn_http_request_duration_seconds_sum{method="POST",route="/add"} 20.002299999999998',
    )
    expect(lines.at(-1)).toBe('')
  })

  it('of routes that nobody asked for are left out', () => {
    const all = durations()
    all.series('GET', '/')
    expect(all.expose()).not.toContain('route=')
  })
})
