import { z } from 'zod'

/** What a call answers. */
interface Gives<R> {
  readonly answer?: R
}
export const gives = <R>(): Gives<R> => ({})

/**
 * A call of the window: the schema of its parameters, checked before anything is done, and the type of its answer.
 */
export interface Call<P extends z.ZodType, R> extends Gives<R> {
  readonly parameters: P
  readonly inOrder: boolean
}

export const call = <S extends z.ZodRawShape, R>(
  parameters: S,
  answer: Gives<R>
): Call<z.ZodObject<S, z.core.$strict>, R> => ({ parameters: z.strictObject(parameters), inOrder: false, ...answer })

/** A call that reads labels or marks and then changes them: one after another, in the order in which they came. */
export const callInOrder: typeof call = (parameters, answer) => ({ ...call(parameters, answer), inOrder: true })
