import { SpectroscopeError } from '../../preload/errors'
import { createEvaluator, resolveEngine } from '../engine/engines'
import { componentNames, componentSlices, flatten } from '../models/components'
import { loadModel } from '../models/load'
import type { MeanLossRequest } from './messages'

/**
 * Mean loss of a model at w* over all target positions of some rows, in nats per token. Throws an `input` error for
 * rows that the model cannot take.
 */
export const meanLossOf = async (
  { model: folder, rows, engine }: MeanLossRequest,
  onFraction: (fraction: number) => void
): Promise<number> => {
  const { architecture, weights } = await loadModel(folder)
  const { vocabulary, contextLength } = architecture
  const wrong = rows.findIndex((ids) => ids.length > contextLength || ids.some((id) => id >= vocabulary))
  if (wrong >= 0) {
    const takes = `it takes rows of at most ${contextLength} ids below ${vocabulary}, and row ${wrong} is another`
    throw new SpectroscopeError('input', `${folder}: ${takes}; give the model that was sampled.`)
  }
  const evaluator = await createEvaluator(await resolveEngine(engine), architecture, weights)
  try {
    // The last component has the fewest operations above it. Its weights stay at w*.
    const component = componentNames(architecture).at(-1)!
    const centre = flatten(weights, componentSlices(architecture, weights, component))
    let [sum, tokens] = [0, 0]
    for (const [at, ids] of rows.entries()) {
      const prefix = await evaluator.prefix({ ids, count: 1, length: ids.length })
      for (const loss of await evaluator.losses(component, centre, prefix)) sum += loss
      tokens += ids.length - 1
      onFraction((at + 1) / rows.length)
    }
    return sum / tokens
  } finally {
    await evaluator.dispose()
  }
}
