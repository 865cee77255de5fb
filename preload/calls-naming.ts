import { z } from 'zod'
import { call, callInOrder, gives } from './call'
import { where } from './call-parameters'
import type { Job } from './contract-explore'
import type { NamingPreview, SuggestedNames } from './contract-naming'
import { index, limits } from './limits'

/** A key goes into a header, so that it is of visible ASCII characters. */
export const namingKeySchema = z
  .string()
  .max(limits.word * 10)
  .regex(/^[\x21-\x7e]*$/, 'a key has letters, digits and signs only, without spaces')

export const namesCalls = {
  list: call(where, gives<SuggestedNames>()),
  /** The exact text that `suggest` would send for a cluster. */
  preview: call({ ...where, cluster: index }, gives<NamingPreview>()),
  /**
   * Asks the model of the settings for names: of one cluster, or of all that have neither a label nor a suggestion.
   * Answers with the job; each name is told as it comes.
   */
  suggest: call({ ...where, cluster: index.optional() }, gives<Job>()),
  /** Dismisses the name suggested for a cluster. Tells all names. */
  dismiss: callInOrder({ ...where, cluster: index }, gives<null>()),
  /** Whether a key is kept. No call gives the key itself. */
  hasKey: call({}, gives<boolean>()),
  /** Keeps the key of the server; '' removes it. */
  setKey: call({ key: namingKeySchema }, gives<null>())
}
