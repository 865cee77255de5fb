import { availableParallelism } from 'node:os'
import type { RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { plural } from '../../preload/plural'
import { memoryOf } from './memory'
import type { Prepared } from './messages'
import { preparedPlan, chainsOf } from './plan'
import { machineMemory, mostThreadsHere, gigabytes } from './room'

/**
 * Estimates exceed actual use by up to this factor (test/bench/NOTES.md). A run is refused only if its estimate
 * exceeds the machine's memory by more.
 */
const mostOverestimated = 1.6

/**
 * The largest number from `first` to `last` that fits, or `first` if none does. Every number below a fitting one must
 * fit too.
 */
const largestFrom = (first: number, last: number, fits: (count: number) => boolean): number => {
  let [low, high] = [first, Math.max(first, last)]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}

/** Thread count that fits in memory, plus any warning. */
export interface FittingThreads {
  readonly threads: number
  readonly warning?: string
}

/**
 * Chooses how many threads sample a prepared study so that it fits in memory: the number asked for, or fewer, since
 * results do not depend on it. Warns if it is fewer, or if memory may run short. Throws a `configuration` error if
 * even one thread does not fit.
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
  const needed = gigabytes(sampling)
  const scarce = `Sampling needs about ${needed} of memory even on one thread, and there is ${gigabytes(memory)}`
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
        `${gigabytes(memory)}: it runs on ${plural(threads, 'thread')}, which takes longer but gives the same results.`
    }
  if (whole.all <= memory) return { threads }
  return {
    threads,
    warning:
      `This run needs about ${gigabytes(whole.all)} of memory for its clusters and has ${gigabytes(memory)}, ` +
      'so it may be slow or run out of memory; study fewer tokens.'
  }
}
