import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { inOrder, type Part, type Refuse } from './tokenizer-parts'

const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const

const stepSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.enum(forms) }),
  z.looseObject({ type: z.literal('Prepend'), prepend: z.string() }),
  z.looseObject({ type: z.literal('Replace'), pattern: z.object({ String: z.string().min(1) }), content: z.string() })
])

/** Normalising takes quadratic time in the number of consecutive combining marks. Real text has only a few. */
const mostMarks = 10_000

const checkMarks = (text: string): void => {
  if (text.length <= mostMarks) return
  for (const [marks] of text.matchAll(/\p{M}+/gu)) {
    if (marks.length <= mostMarks) continue
    const fault = `A text has ${marks.length} combining marks in a row, and ${mostMarks} at most are read`
    throw new SpectroscopeError('input', `${fault}; take them out.`)
  }
}

const stepOf = (step: z.output<typeof stepSchema>): ((text: string) => string) => {
  switch (step.type) {
    case 'Prepend':
      return (text) => (text === '' ? text : step.prepend + text)
    case 'Replace':
      return (text) => text.replaceAll(step.pattern.String, () => step.content)
    default:
      return (text) => {
        checkMarks(text)
        return text.normalize(step.type)
      }
  }
}

/**
 * The change that a tokenizer's normaliser makes to a text. The function throws an `input` error for too many combining
 * marks in a row. Throws an `input` error for a step that is not known.
 */
export const normalizerOf = (refuse: Refuse, given: Part | null | undefined): ((text: string) => string) => {
  const steps = inOrder(refuse, 'normalizer', given, 'normalizers').map((part) => {
    const { success, data } = stepSchema.safeParse(part)
    if (!success) {
      const known = `${forms.join(', ')}, and texts put before or replaced`
      throw refuse('normalizer', `"${briefly(part.type)}" changes texts in another way than ${known}`)
    }
    return stepOf(data)
  })
  return (text) => steps.reduce((changed, step) => step(changed), text)
}
