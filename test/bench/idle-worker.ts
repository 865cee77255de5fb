import { TransformerEvaluator } from '../../main/engine/core/transformer-evaluator'
import { serveLane } from '../../main/sampling/serve-lane'
import { idleDevice } from './idle-device'

// A lane whose device computes nothing: what is left of a step is the processor's part.
await serveLane(({ architecture, weights }) =>
  Promise.resolve(new TransformerEvaluator(idleDevice(32 * 2 ** 30), architecture, weights))
)
