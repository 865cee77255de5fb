import { z } from 'zod'

/** Type of a call's answer. */
interface Gives<R> {
  readonly answer?: R
}
export const gives = <R>(): Gives<R> => ({})

/** A call of the window: the schema by which its parameters are checked, and the type of its answer. */
export interface Call<P extends z.ZodType, R> extends Gives<R> {
  readonly parameters: P
  readonly inOrder: boolean
}

export const call = <S extends z.ZodRawShape, R>(
  parameters: S,
  answer: Gives<R>
): Call<z.ZodObject<S, z.core.$strict>, R> => ({ parameters: z.strictObject(parameters), inOrder: false, ...answer })

/** A call that reads and then changes labels or marks. Such calls run one after another, in the order received. */
export const callInOrder: typeof call = (parameters, answer) => ({ ...call(parameters, answer), inOrder: true })
