/** What a server of a shared log has only while it leads. */
import { CairnError } from '../errors.ts'
import { NotLeading, unavailable } from '../http/leader.ts'

/** A service all of whose members are methods that answer later. */
type Later<T> = { readonly [Name in keyof T]: (...given: never[]) => Promise<unknown> }

const NO_LEADER = 'this server does not lead the log'

/**
 * Stands for a service that comes and goes: each call goes to the one that is there at the time, and is refused while
 * there is none. What fails because the service went away meanwhile is refused as well; of methods in `whole`, which
 * add to the log once or not at all, it is then known whether that was done.
 * @throws UNAVAILABLE (NotLeading), by every method
 */
export function whileLeading<T extends Later<T>>(
  current: () => T | undefined,
  whole: readonly (keyof T)[] = [],
): T {
  const refuse = (): Promise<never> => Promise.reject(unavailable(NO_LEADER))
  return new Proxy({} as T, {
    get(_, name) {
      const service = current()
      if (service === undefined) return refuse
      const method: unknown = Reflect.get(service, name)
      if (typeof method !== 'function') return method
      return (...given: unknown[]) =>
        Promise.resolve(Reflect.apply(method, service, given)).catch((error: unknown) => {
          const isGone = current() !== service
          const isWhole = whole.includes(name as keyof T)
          if (isWhole && (wasTooLate(error) || (isGone && wasNotKept(error)))) {
            throw unavailable('this server does not lead the log any more', { cause: error })
          }
          throw isGone ? explained(error) : error
        })
    },
  })
}

/** Whether the log has refused a submission because the term was over that it was made in: see Sequencer. */
function wasTooLate(error: unknown): boolean {
  if (!(error instanceof CairnError) || error.code !== 'UNAVAILABLE') return false
  return error.cause instanceof CairnError && error.cause.code === 'CONFLICT'
}

/**
 * Whether what goes along with a submission could not be kept, so that it was not handed to the log: because another
 * server keeps it by now, or because of an earlier failure.
 */
function wasNotKept(error: unknown): boolean {
  if (!(error instanceof CairnError)) return false
  const { code, cause } = error
  return code === 'CONFLICT' || (code === 'STOPPED' && cause instanceof CairnError)
}

/** What storage and services say that have gone says nothing about the request. */
function explained(error: unknown): unknown {
  const isOwn = error instanceof CairnError && ['CONFLICT', 'STOPPED', 'IO'].includes(error.code)
  if (!isOwn) return error
  return new NotLeading('this server could not finish it', 'unknown', { cause: error })
}
