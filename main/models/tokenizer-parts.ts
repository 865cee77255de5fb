import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'

export const partSchema = z.looseObject({ type: z.string() })

/** One of the parts that a tokenizer.json is composed of, such as its normaliser. */
export type Part = z.output<typeof partSchema>

/** Makes an error about a part of the file. */
export type Refuse = (part: string, what: string) => SpectroscopeError

/** Makes errors that name the file. */
export const refusing =
  (name: string): Refuse =>
  (part, what) =>
    new SpectroscopeError(
      'input',
      `${name}: "${briefly(part)}": ${what}; ` +
        "only BPE tokenizers are read, of GPT-2's kind (bytes) and of Llama's (characters)."
    )

/** The parts that are applied one after another, with nested sequences flattened. */
export const inOrder = (refuse: Refuse, name: string, given: Part | null | undefined, list: string): Part[] => {
  const found: Part[] = []
  const open: unknown[] = given == null ? [] : [given]
  while (open.length > 0) {
    const checked = partSchema.safeParse(open.pop())
    if (!checked.success) throw refuse(name, 'a part without a "type"')
    const inner = checked.data[list]
    if (checked.data.type !== 'Sequence') found.push(checked.data)
    else if (!Array.isArray(inner)) throw refuse(name, `a "Sequence" without "${list}"`)
    else for (let i = inner.length - 1; i >= 0; i--) open.push(inner[i])
  }
  return found
}
