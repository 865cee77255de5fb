import { availableParallelism } from 'node:os'
import type { RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { memoryOf } from './memory'
import type { Prepared } from './messages'
import { preparedPlan, chainsOf } from './plan'
import { machineMemory, mostThreadsHere, gigabytes } from './room'

/**
 * An estimate is up to so many times what is used (test/bench/NOTES.md), so only a run that is further above the
 * machine's memory is refused.
 */
const mostOverestimated = 1.6

/** The largest of some numbers that fits, where each smaller one does too; the first where none does. */
const largestFrom = (first: number, last: number, fits: (count: number) => boolean): number => {
  let [low, high] = [first, Math.max(first, last)]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}

/** Whatever number of threads a study's run is to have, and what is to be said of its memory. */
export interface FittingThreads {
  readonly threads: number
  readonly warning?: string
}

/**
 * On how many threads a prepared study is sampled, so that it fits in memory: those asked for, or fewer, as numbers
 * do not depend on them. Says so where it is fewer, and where what is needed may be more than there is. Throws a
 * `configuration` error where one thread can't fit.
 */
export const threadsThatFit = async (
  configuration: RunConfiguration,
  baseFolder: string,
  prepared: Pick<Prepared, 'components' | 'study' | 'engine'>,
  memory = machineMemory()
): Promise<FittingThreads> => {
  const plan = await preparedPlan(configuration, baseFolder, prepared)
  const wanted = Math.min(configuration.threads ?? availableParallelism(), mostThreadsHere())
  const neededOn = (threads: number): { readonly sampling: number; readonly all: number } =>
    memoryOf(plan, configuration, {
      chains: chainsOf(plan, configuration.sampler),
      engine: prepared.engine.name,
      threads
    })
  const whole = neededOn(wanted)
  const fits = ({ sampling }: { readonly sampling: number }): boolean => sampling <= memory
  const threads = fits(whole) ? wanted : largestFrom(1, wanted - 1, (count) => fits(neededOn(count)))
  const { sampling } = threads === wanted ? whole : neededOn(threads)
  const scarce = `Sampling needs about ${gigabytes(sampling)} of memory even on one thread, and there is ${gigabytes(memory)}`
  const fewerChains = configuration.sampler.method === 'psgld' ? ', set fewer "sampler.chains"' : ''
  const remedy = `study fewer tokens or components${fewerChains}, or divide the run with \`spectroscope shard\``
  if (sampling > mostOverestimated * memory) throw new SpectroscopeError('configuration', `${scarce}; ${remedy}.`)
  if (sampling > memory)
    return {
      threads,
      warning: `${scarce}: it runs on one thread and may be slow or run out of memory; if so, ${remedy}.`
    }
  if (threads < wanted)
    return {
      threads,
      warning:
        `Sampling needs about ${gigabytes(whole.sampling)} of memory on ${wanted} threads, and there is ` +
        `${gigabytes(memory)}: it runs on ${threads} threads, which takes longer but gives the same results.`
    }
  if (whole.all <= memory) return { threads }
  return {
    threads,
    warning:
      `This run needs about ${gigabytes(whole.all)} of memory for its clusters and has ${gigabytes(memory)}, ` +
      'so it may be slow or run out of memory; study fewer tokens.'
  }
}
