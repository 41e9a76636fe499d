import { describe, expect, it } from 'vitest'
import { explorerSessions } from '../../src/http/explorer-sessions.ts'

function place() {
  let time = 0
  const sessions = explorerSessions({ origin: 'o.example', prefix: '/logs/a', now: () => time })
  return {
    sessions,
    pass(hours: number) {
      time += hours * 3_600_000
    },
    /** What a browser sends afterwards. */
    enter: (token: string) => ({ cookie: sessions.begin(token, false).split(';')[0]! }),
  }
}

describe('a session', () => {
  it('is a cookie for no script, no other site and no other path, without the token', () => {
    const { sessions } = place()
    const cookie = sessions.begin('secret-token', false)
    expect(cookie).toMatch(
      /^cairn-[0-9a-f]{8}=[\w-]{43}; Path=\/logs\/a\/; HttpOnly; SameSite=Strict; Max-Age=28800$/,
    )
    expect(sessions.begin('secret-token', true)).toMatch(/; Secure$/)
    expect(sessions.begin('secret-token', false)).not.toBe(cookie)
  })

  it('stands for its token until it ends', () => {
    const { sessions, enter, pass } = place()
    const [ann, ben] = [enter('ann'), enter('ben')]
    expect(sessions.authorization(ann)).toBe('Bearer ann')
    expect(sessions.authorization({ cookie: `other=1; ${ben.cookie}` })).toBe('Bearer ben')
    expect(sessions.end(ann)).toMatch(/^cairn-[0-9a-f]{8}=; .*Max-Age=0$/)
    expect(sessions.authorization(ann)).toBeUndefined()
    expect(sessions.authorization(ben)).toBe('Bearer ben')
    pass(8)
    expect(sessions.authorization(ben)).toBeUndefined()
  })

  it('is nobody else’s', () => {
    const { sessions, enter } = place()
    const { cookie } = enter('ann')
    const other = place()
    for (const given of [undefined, '', 'x', `${cookie}x`, cookie.slice(0, -1), `x${cookie}`]) {
      expect(sessions.authorization(given === undefined ? {} : { cookie: given })).toBeUndefined()
    }
    expect(other.sessions.authorization({ cookie })).toBeUndefined()
    expect(other.sessions.end({ cookie })).toContain('Max-Age=0')
    expect(sessions.authorization({ cookie })).toBe('Bearer ann')
  })

  it('gives way to newer ones when there are too many', () => {
    const { sessions, enter } = place()
    const first = enter('first')
    const second = enter('second')
    for (let i = 0; i < 999; i++) enter('more')
    expect(sessions.authorization(first)).toBeUndefined()
    expect(sessions.authorization(second)).toBe('Bearer second')
  })
})
