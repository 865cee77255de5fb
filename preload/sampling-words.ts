import type { RunRecord } from './records'
import { samplerWords } from './sampler-configuration'

/** How a run was sampled, for reports and the terminal. */
export const samplingWords = ({
  configuration: { sampler, seed },
  provenance: { foreign, seed: own }
}: Pick<RunRecord, 'configuration' | 'provenance'>): string => {
  if (foreign === undefined) return `${samplerWords(sampler)}, seed ${own ?? seed}`
  return foreign.settings ? `${samplerWords(sampler)}, by another program` : 'unknown settings, by another program'
}
