import type { BlindScore } from '../../preload/contract-annotations'
import { namingTrials } from '../../preload/contract-naming'
import type { SuggestedName } from '../../preload/contract-naming'
import { SpectroscopeError } from '../../preload/errors'
import { comparedName } from '../../preload/labels'
import type { TokenInContext } from '../../preload/records'
import type { AskModel } from './client'
import { nameIn, namingMessages, oddIn, testMessages } from './prompt'
import type { GivenName, NamingEvidence } from './prompt'

/** Contexts of a blind test, and the place of the odd one among them. */
export interface NameTest {
  readonly contexts: readonly TokenInContext[]
  readonly odd: number
}

export interface NamingSource {
  readonly evidence: (cluster: number) => Promise<NamingEvidence>
  /** The test of that number, from 0; null for a cluster that is too small for one. */
  readonly test: (cluster: number, trial: number) => Promise<NameTest | null>
  /** Names that labels and suggestions of other clusters have. */
  readonly taken: (cluster: number) => Promise<readonly string[]>
}

const mostRepeats = 2
/** Names that are listed when a name is asked for again. */
const mostListed = 200

/** A name that no other has: one that is asked for again where it is taken, and else has the cluster's number. */
const distinctName = async (
  ask: AskModel,
  { evidence, taken }: NamingSource,
  cluster: number,
  signal: AbortSignal
): Promise<GivenName & { readonly repeated: boolean }> => {
  const told = await evidence(cluster)
  let refused: readonly string[] = []
  for (let repeats = 0; ; repeats++) {
    const given = nameIn(await ask(namingMessages(told, refused), signal))
    if (given === undefined)
      throw new SpectroscopeError('network', 'The model answered without a name; try another model.')
    const others = await taken(cluster)
    const all = new Set(others.map(comparedName))
    if (!all.has(comparedName(given.name))) return { ...given, repeated: false }
    if (repeats === mostRepeats) {
      let { name } = given
      while (all.has(comparedName(name))) name = `${name} (${cluster})`
      return { ...given, name, repeated: true }
    }
    refused = [...new Set([given.name, ...others])].slice(0, mostListed)
  }
}

/** How often a model finds the odd one among six contexts by the name alone; null where there is no test. */
export const scoreName = async (
  ask: AskModel,
  { test }: Pick<NamingSource, 'test'>,
  cluster: number,
  name: string,
  signal: AbortSignal
): Promise<BlindScore | null> => {
  let right = 0
  for (let trial = 0; trial < namingTrials; trial++) {
    const drawn = await test(cluster, trial)
    if (drawn === null) return null
    if (oddIn(await ask(testMessages(name, drawn.contexts), signal)) === drawn.odd) right++
  }
  return { right, of: namingTrials }
}

export interface NamingOrder {
  readonly clusters: readonly number[]
  readonly model: string
  readonly signal: AbortSignal
  readonly onName: (name: SuggestedName) => Promise<void>
  readonly onProgress: (progress: { readonly done: number; readonly failed: number }) => void
}

export interface NamingSummary {
  readonly named: number
  readonly failed: number
  /** The last failure's sentence; null where there was none. */
  readonly failure: string | null
}

/** Failures in a row after which a server is not asked any more. */
const mostInARow = 3

/**
 * Names clusters one after another, and goes on after a failure. Throws the failure itself where nothing was named,
 * or after three in a row.
 */
export const nameClusters = async (
  ask: AskModel,
  source: NamingSource,
  { clusters, model, signal, onName, onProgress }: NamingOrder
): Promise<NamingSummary> => {
  let [named, failed, inARow] = [0, 0, 0]
  let failure: SpectroscopeError | undefined
  for (const cluster of clusters) {
    try {
      const { name, description, repeated } = await distinctName(ask, source, cluster, signal)
      const score = await scoreName(ask, source, cluster, name, signal)
      await onName({
        cluster,
        name,
        description,
        model,
        at: new Date().toISOString(),
        repeated,
        dismissed: false,
        score
      })
      named++
      inARow = 0
    } catch (error) {
      if (!(error instanceof SpectroscopeError) || error.kind !== 'network') throw error
      failure = error
      failed++
      if (++inARow === mostInARow) break
    }
    onProgress({ done: named + failed, failed })
  }
  if (failure !== undefined && (named === 0 || inARow === mostInARow)) throw failure
  return { named, failed, failure: failure?.message ?? null }
}
