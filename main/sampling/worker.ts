import { serveLane } from './serve-lane'

// Loaded where it is needed: a lane that updates has no evaluator.
await serveLane(async ({ engine, architecture, weights, precision }) => {
  const { createEvaluator } = await import('../engine/engines')
  return createEvaluator(engine, architecture, weights, precision)
})
