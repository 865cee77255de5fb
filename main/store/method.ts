import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import type { StoreSession, Transaction } from './session'

/**
 * Whether a call is repeated if its store process died before answering. `safe`: yes, because it only reads, or has
 * the same effect twice. `journalled`: yes, because the journal recognises its id. `never`: the call fails, and the
 * caller decides.
 */
export type Retry = 'safe' | 'journalled' | 'never'

export interface StoreCall {
  readonly session: StoreSession
  /** Equal for all attempts at a call. */
  readonly id: string
}

/** One method of the service: schemas of its parameters, handler, and whether a call may be repeated. */
export interface StoreMethod<A extends readonly unknown[], R> {
  readonly parameters: z.ZodTuple
  /** Returns the answer or a promise of it. */
  readonly handle: (call: StoreCall, ...parameters: A) => R
  readonly retry: Retry
}

/** A schema for each parameter. Those that may be omitted are `.optional()`. */
type SchemasOf<A extends readonly unknown[]> = { readonly [K in keyof A]-?: z.ZodType<A[K]> }

const methodsThat =
  (retry: Retry) =>
  <A extends readonly unknown[], R>(
    parameters: SchemasOf<A>,
    handle: (call: StoreCall, ...parameters: A) => R
  ): StoreMethod<A, R> => ({ parameters: z.tuple(parameters as unknown as [z.ZodType]), handle, retry })

export const safe = methodsThat('safe')
export const journalled = methodsThat('journalled')
export const never = methodsThat('never')

type Query<A extends readonly unknown[], R> = (connection: DuckDBConnection, ...parameters: A) => Promise<R>
type Handler<A extends readonly unknown[], R> = (call: StoreCall, ...parameters: A) => Promise<R>

/** Handler that reads committed data. */
export const reading =
  <A extends readonly unknown[], R>(query: Query<A, R>): Handler<A, R> =>
  ({ session }, ...parameters) =>
    session.connected((connection) => query(connection, ...parameters))

/** Handler that reads a run. The query gets the run's number after its id. */
export const readingRun =
  <A extends readonly unknown[], R>(
    query: (connection: DuckDBConnection, run: string, number: number, ...parameters: A) => Promise<R>
  ): Handler<[run: string, ...parameters: A], R> =>
  ({ session }, run, ...parameters) =>
    session.onRun(run, (connection, number) => query(connection, run, number, ...parameters))

/** Handler that writes. Writes run one after another. */
export const changing =
  <A extends readonly unknown[], R>(change: Query<A, R>): Handler<A, R> =>
  ({ session }, ...parameters) =>
    session.changing((connection) => change(connection, ...parameters))

/** Handler that writes data which readers cache, and clears the caches. */
export const replacing =
  <A extends readonly unknown[], R>(change: Query<A, R>): Handler<A, R> =>
  ({ session }, ...parameters) =>
    session.replacing((connection) => change(connection, ...parameters))

/** Handler for a long write in its own transaction. Other calls continue meanwhile. */
export const changingInParallel =
  <A extends readonly unknown[], R>(change: Query<A, R>): Handler<A, R> =>
  ({ session }, ...parameters) =>
    session.changingInParallel((connection) => change(connection, ...parameters))

/** Handler that writes in the transaction of a run. */
export const inRun =
  <A extends readonly unknown[], R>(
    write: (transaction: Transaction, ...parameters: A) => R
  ): ((call: StoreCall, ...parameters: A) => R) =>
  ({ session }, ...parameters) =>
    write(session.transaction, ...parameters)
