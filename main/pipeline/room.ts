import { availableParallelism, totalmem } from 'node:os'
import type { RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'

/** Memory of this machine in bytes, or the limit for this process if it is lower. */
export const machineMemory = (): number => {
  const most = process.constrainedMemory()
  return most > 0 ? Math.min(most, totalmem()) : totalmem()
}

export const gigabytes = (bytes: number): string =>
  `${(bytes / 1e9).toLocaleString('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })} GB`

/** Largest allowed number of threads. Each takes 150 MB, and more threads than cores bring no speed. */
export const mostThreadsHere = (cores = availableParallelism()): number => Math.max(16, 8 * cores)

const refusal = (sentence: string): SpectroscopeError => new SpectroscopeError('configuration', sentence)

/** Throws a `configuration` error for more threads than `mostThreadsHere`. `key` names the setting. */
export const checkThreads = (threads: number | undefined, key = '"threads"', cores = availableParallelism()): void => {
  const most = mostThreadsHere(cores)
  if (threads === undefined || threads <= most) return
  const asked = `${key} is ${threads.toLocaleString('en')}`
  const what = `${asked}, and this machine has ${cores} cores and room for ${most} threads at most`
  throw refusal(`${what}; lower it, or omit it to use all cores.`)
}

/** Lower bound on the memory of a study in bytes: rows of ids, χ̂ and its errors in float64, and traces of chains. */
const leastBytes = ({ corpus, sampler }: RunConfiguration, components: number): number => {
  if (corpus === undefined) return 0
  const chains = sampler.method === 'psgld'
  const rows = (chains ? corpus.sampling : 0) + corpus.observation + corpus.probe
  const tokens = corpus.probe * Math.min(corpus.probeTokensPerRow ?? Infinity, corpus.rowLength - 1)
  const traces = chains ? components * sampler.chains * sampler.draws : 0
  return 4 * rows * corpus.rowLength + 16 * (tokens * components + traces)
}

/**
 * Throws a `configuration` error if the rows and matrix of a study cannot fit in this machine's memory, before
 * reading anything. `threadsThatFit` checks the rest once the rows are known.
 */
export const checkStudySize = (configuration: RunConfiguration, components: number, memory = machineMemory()): void => {
  const { corpus } = configuration
  if (corpus === undefined) return
  const { rowLength, observation, probe } = corpus
  const needed = leastBytes(configuration, components)
  if (needed <= memory) return
  const rows = `${observation.toLocaleString('en')} observation and ${probe.toLocaleString('en')} probe rows`
  const what = `"corpus": ${rows} of ${rowLength} ids, with ${components.toLocaleString('en')} components,`
  const there = `need at least ${gigabytes(needed)} of memory, and this machine has ${gigabytes(memory)}`
  throw refusal(`${what} ${there}; study fewer rows, shorter ones or fewer components.`)
}
