import { messageOf } from '../../preload/errors'
import type { EngineRate } from '../../preload/contract'
import { type EngineReport, createEvaluator, listEngines, reportEngine } from '../engine/engines'
import type { Rows } from '../engine/core'
import type { Weights } from '../models/architecture'
import { componentSlices, flatten } from '../models/components'
import { familyOf, tensorShapes } from '../models/architectures'

const configuration = {
  num_hidden_layers: 2,
  num_attention_heads: 4,
  hidden_size: 128,
  intermediate_size: 512,
  vocab_size: 4096,
  max_position_embeddings: 128
}
const architecture = familyOf({ family: 'gpt_neox' }).parse(configuration, 'the model that engines are measured with')

const component = 'head:0.0'
const rowLength = 64
const enoughSeconds = 0.5
const mostRows = 16

const shared = (length: number, value: (i: number) => number): Float32Array => {
  const data = new Float32Array(new SharedArrayBuffer(4 * length))
  for (let i = 0; i < length; i++) data[i] = value(i)
  return data
}

/** Arbitrary weights for measuring speed: spread around 0, layer norm scales around 1. */
const anyWeights = (): Weights =>
  new Map(
    [...tensorShapes(architecture)].map(([name, shape]) => {
      const centre = /norm\.weight$/.test(name) ? 1 : 0
      return [
        name,
        {
          shape,
          data: shared(
            shape.reduce((a, b) => a * b, 1),
            (i) => centre + 0.05 * Math.sin(i * 12.9898)
          )
        }
      ]
    })
  )

const anyRows = (count: number): Rows => ({
  ids: Int32Array.from({ length: count * rowLength }, (_, i) => (i * 7919) % architecture.vocabulary),
  count,
  length: rowLength
})

/**
 * Measures gradient steps for half a second, at least one step, with as many rows as fit in half a second. The first
 * step of each shape is not counted, because some engines take longer to compile it than to run it.
 */
const rateOf = async (
  engine: string,
  weights: Weights
): Promise<Pick<EngineRate, 'tokensPerSecond' | 'gigaflopsPerSecond'>> => {
  const evaluator = await createEvaluator(engine, architecture, weights)
  try {
    const flat = flatten(weights, componentSlices(architecture, weights, component))
    const seconds = async (count: number): Promise<number> => {
      const prefix = await evaluator.prefix(anyRows(count))
      const start = performance.now()
      await evaluator.gradient(component, flat, prefix, new Float32Array(flat.length))
      return (performance.now() - start) / 1000
    }
    await seconds(1)
    const ofRow = await seconds(1)
    const count = Math.max(1, Math.min(mostRows, Math.floor(enoughSeconds / ofRow)))
    let elapsed = count === 1 ? ofRow : 0
    let steps = count === 1 ? 1 : 0
    if (count > 1) await seconds(count)
    while (elapsed < enoughSeconds) {
      elapsed += await seconds(count)
      steps++
    }
    const perRow = evaluator.operations(component, rowLength).gradient
    return {
      tokensPerSecond: (steps * count * (rowLength - 1)) / elapsed,
      gigaflopsPerSecond: (steps * count * perRow) / elapsed / 1e9
    }
  } finally {
    await evaluator.dispose()
  }
}

const measured = async ({ remedy, install, ...report }: EngineReport, weights: Weights): Promise<EngineRate> => {
  const none = { ...report, install: install ?? null, tokensPerSecond: null, gigaflopsPerSecond: null }
  if (!report.available) return { ...none, remedy: remedy ?? null }
  try {
    return { ...report, remedy: null, install: null, ...(await rateOf(report.name, weights)) }
  } catch (error) {
    return { ...none, available: false, remedy: messageOf(error) }
  }
}

/** Measures every engine: one thread on gradient steps of a small transformer. Takes some seconds. */
export const measureEngines = async (): Promise<EngineRate[]> => {
  const weights = anyWeights()
  const rates: EngineRate[] = []
  for (const report of await listEngines()) rates.push(await measured(report, weights))
  return rates
}

/** Measures one engine. Throws an `engine` error if there is none of that name. */
export const measureEngine = async (engine: string): Promise<EngineRate> =>
  measured(await reportEngine(engine), anyWeights())
