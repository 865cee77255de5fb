import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import type { StoreSession, Transaction } from './session'

/**
 * What may be done with a call whose store process ended before it answered. `safe`: it is done again, as it reads, or
 * does the same when it is done twice. `journalled`: it is done again too, as the journal knows it by its id. `never`:
 * it fails, and is its caller's to do again.
 */
export type Retry = 'safe' | 'journalled' | 'never'

export interface StoreCall {
  readonly session: StoreSession
  /** The same in every attempt at a call. */
  readonly id: string
}

/** One line of the service: what a call may be given, what answers it, and whether it may be done again. */
export interface StoreMethod<A extends readonly unknown[], R> {
  readonly parameters: z.ZodTuple
  /** Answers, or promises to. */
  readonly handle: (call: StoreCall, ...parameters: A) => R
  readonly retry: Retry
}

/** A schema for each parameter; those that can be left out are `.optional()`. */
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

/** Answers with what is committed. */
export const reading =
  <A extends readonly unknown[], R>(query: Query<A, R>): Handler<A, R> =>
  ({ session }, ...parameters) =>
    session.connected((connection) => query(connection, ...parameters))

/** The same for a query that takes the run's number after its id. */
export const readingRun =
  <A extends readonly unknown[], R>(
    query: (connection: DuckDBConnection, run: string, number: number, ...parameters: A) => Promise<R>
  ): Handler<[run: string, ...parameters: A], R> =>
  ({ session }, run, ...parameters) =>
    session.onRun(run, (connection, number) => query(connection, run, number, ...parameters))

/** Writes while nobody else does. */
export const changing =
  <A extends readonly unknown[], R>(change: Query<A, R>): Handler<A, R> =>
  ({ session }, ...parameters) =>
    session.changing((connection) => change(connection, ...parameters))

/** Writes what readers remember. */
export const replacing =
  <A extends readonly unknown[], R>(change: Query<A, R>): Handler<A, R> =>
  ({ session }, ...parameters) =>
    session.replacing((connection) => change(connection, ...parameters))

/** Writes for a while, in a transaction of its own, and lets others go on. */
export const changingBeside =
  <A extends readonly unknown[], R>(change: Query<A, R>): Handler<A, R> =>
  ({ session }, ...parameters) =>
    session.changingBeside((connection) => change(connection, ...parameters))

/** Writes in the transaction of a run. */
export const inRun =
  <A extends readonly unknown[], R>(
    write: (transaction: Transaction, ...parameters: A) => R
  ): ((call: StoreCall, ...parameters: A) => R) =>
  ({ session }, ...parameters) =>
    write(session.transaction, ...parameters)
