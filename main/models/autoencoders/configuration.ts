import { z } from 'zod'
import { SpectroscopeError } from '../../../preload/errors'
import { issueWords, telling } from '../../../preload/issues'
import { parseJson } from '../../base/json-text'
import { readModelText } from '../files'
import type { Refuse } from './autoencoder'

/** Most inputs and latents of an encoder. */
const most = 2 ** 24

export const count = z.int().min(1).max(most)

export const refusing =
  (file: string): Refuse =>
  (what) =>
    new SpectroscopeError('input', `${file}: ${what}.`)

/** Reads and checks an autoencoder's configuration. Throws an `input` error that names the file and the key. */
export const readConfiguration = async <T>(file: string, schema: z.ZodType<T>): Promise<T> => {
  const refuse = refusing(file)
  const remedy = 'use the folder as the library saved it'
  let parsed: unknown
  try {
    parsed = parseJson(await readModelText(file, remedy))
  } catch (error) {
    if (error instanceof SpectroscopeError) throw error
    throw refuse(`the file is ${(error as Error).message}; ${remedy}`)
  }
  const checked = schema.safeParse(parsed, { reportInput: true })
  if (checked.success) return checked.data
  const issue = telling(checked.error.issues[0])
  throw refuse(`"${issue.path.join('.')}": ${issueWords(issue)}; ${remedy}`)
}
