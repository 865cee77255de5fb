import { createEvaluator } from '../engine/engines'
import { serveLane } from './serve-lane'

await serveLane(({ engine, architecture, weights, precision }) => createEvaluator(engine, architecture, weights, precision))
