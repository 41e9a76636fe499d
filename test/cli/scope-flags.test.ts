import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { scopeOf, scopeWords, withScope } from '../../src/cli/scope-flags.ts'

function parse(...args: string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} })
  withScope(command)
  command.parse(args, { from: 'user' })
  return scopeOf(command.opts())
}

describe('the flags of a scope', () => {
  it('name all that a scope can have', () => {
    const trace = '0123456789abcdef0123456789abcdef'
    const ids = ['--request', 'r', '--session', 's', '--trace', trace]
    const people = ['--subject', 'ann@example.com', '--actor', 'clerk']
    const what = ['--type', 'decision', '--action', 'approve', '--resource', 'file 1']
    const model = ['--model', 'm', '--model-version', '2', '--environment', 'production']
    const when = ['--from', '2026-11-01', '--before', '2026-11-21T12:00:00+01:00']
    expect(parse(...ids, ...people, ...what, ...model, ...when, '--min-cost', '0.5')).toEqual({
      request_id: 'r',
      session_id: 's',
      trace_id: trace,
      subject: 'ann@example.com',
      actor: 'clerk',
      type: 'decision',
      action: 'approve',
      resource: 'file 1',
      model: 'm',
      model_version: '2',
      environment: 'production',
      from: '2026-11-01T00:00:00.000Z',
      before: '2026-11-21T11:00:00.000Z',
      minimum_cost: 0.5,
    })
  })

  it('name nothing that was not given', () => {
    expect(parse()).toEqual({})
  })

  it.each([
    ['--type', 'chat', /--type takes one of llm_request/],
    ['--from', 'yesterday', /'yesterday' is no time/],
    ['--from', '2026-02-30', /'2026-02-30' is no time/],
    ['--before', '2026-11-21T12:00:00', /is no time/],
    ['--min-cost', '-1', /--min-cost takes an amount/],
    ['--min-cost', '1e3', /--min-cost takes an amount/],
  ])('refuse %s %s', (flag, value, message) => {
    expect(() => parse(`${flag}=${value}`)).toThrow(message)
  })

  it('can be said in words', () => {
    expect(scopeWords({})).toBe('all records')
    expect(scopeWords({ request_id: 'r', model_version: '2', minimum_cost: 1 })).toBe(
      'request r, model version 2, minimum cost 1',
    )
  })
})
