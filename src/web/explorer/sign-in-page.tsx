/** Signing in with a token, and the page that says what went wrong. */
import { visible } from '../../formats/html.ts'
import { type Frame, page } from './page.tsx'

export interface SignIn {
  /** Where to go afterwards, below the prefix of the log. */
  readonly place: string
  /** Why the last attempt did not succeed. */
  readonly fault?: string
}

export function signInPage(frame: Frame, { place, fault }: SignIn): string {
  return page({
    frame,
    title: 'Sign in',
    section: 'sign-in',
    body: (
      <>
        <h1>Sign in</h1>
        {fault !== undefined && (
          <div class="notice bad" role="alert">
            <p id="token-fault">{visible(fault)}</p>
          </div>
        )}
        <form class="card" method="post" action={`${frame.prefix}/explore/sign-in`}>
          <p>
            With a token of this log you can search the records of your tenant and read them. The
            token stays in the memory of the server; your browser keeps a random number that stands
            for it, until you sign out, for eight hours at the most.
          </p>
          <input type="hidden" name="place" value={place} />
          <div class="go">
            <div>
              <label for="token">Token</label>
              <input
                id="token"
                name="token"
                type="password"
                required
                autocomplete="current-password"
                spellcheck={false}
                {...(fault !== undefined && {
                  'aria-invalid': true,
                  'aria-describedby': 'token-fault',
                })}
              />
            </div>
            <button type="submit">Sign in</button>
          </div>
        </form>
      </>
    ),
  })
}

export interface Refused {
  readonly title: string
  readonly detail: string
}

export function problemPage(frame: Frame, { title, detail }: Refused): string {
  return page({
    frame,
    title,
    body: (
      <section class="card">
        <h1>{visible(title)}</h1>
        <p>{visible(detail)}</p>
        <p>
          <a href={`${frame.prefix}/`}>To the overview</a>
        </p>
      </section>
    ),
  })
}
