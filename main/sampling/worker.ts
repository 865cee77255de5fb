import { serveLane } from './serve-lane'

// Imported on demand: an updating lane has no evaluator.
await serveLane(async ({ engine, architecture, weights, precision }) => {
  const { createEvaluator } = await import('../engine/engines')
  return createEvaluator(engine, architecture, weights, precision)
})
