/** What a server of a shared log has only while it leads. */
import { unavailable } from '../http/forward.ts'

/** A service all of whose members are methods that answer later. */
type Later<T> = { readonly [Name in keyof T]: (...given: never[]) => Promise<unknown> }

/**
 * Stands for a service that comes and goes: each call goes to the one that is there at the time, and is refused while
 * there is none.
 * @throws UNAVAILABLE, by every method
 */
export function whileLeading<T extends Later<T>>(current: () => T | undefined): T {
  const refuse = (): Promise<never> =>
    Promise.reject(unavailable('this server does not lead the log'))
  return new Proxy({} as T, {
    get(_, name) {
      const service = current()
      if (service === undefined) return refuse
      const method: unknown = Reflect.get(service, name)
      return typeof method === 'function' ? method.bind(service) : method
    },
  })
}
