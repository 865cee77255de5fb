import { z } from 'zod'
import { never } from './method'
import type { StoreMethod } from './method'
import { run } from './parameters'
import { explorationMethods } from './service-exploration'
import { labelMethods } from './service-labels'
import { resultMethods } from './service-results'
import { runMethods } from './service-runs'
import { writingMethods } from './service-writing'
import type { StoreSession } from './session'

/** The transaction of a run, in which `writingMethods` write. A workspace has one at a time. */
const transactionMethods = {
  begin: never([run], ({ session }, id: string) => session.begin(id)),
  commit: never([], ({ session }) => session.commit()),
  rollback: never([], ({ session }) => session.rollback())
}

/** All methods of the store process: parameter schemas, handler, and whether a call may be repeated. */
export const service = {
  ...runMethods,
  ...transactionMethods,
  ...writingMethods,
  ...resultMethods,
  ...explorationMethods,
  ...labelMethods
}
export type Service = typeof service

type AnyMethod = StoreMethod<readonly unknown[], unknown>

const methodOf = (name: string): AnyMethod => {
  if (!Object.hasOwn(service, name)) throw new Error(`The store has no method ${name}.`)
  return service[name as keyof Service] as unknown as AnyMethod
}

/** Checks the parameters of a call, answers it, and turns DuckDB errors into sentences. */
export const answer = async (
  session: StoreSession,
  name: string,
  parameters: unknown,
  id: string
): Promise<unknown> => {
  const method = methodOf(name)
  const checked = method.parameters.safeParse(parameters)
  if (!checked.success)
    throw new Error(`The store refused a malformed call of ${name}: ${z.prettifyError(checked.error)}`)
  try {
    return await method.handle({ session, id }, ...checked.data)
  } catch (error) {
    throw session.failed(error)
  }
}
