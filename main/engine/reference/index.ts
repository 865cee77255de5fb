export { ReferenceExecutor } from './executor'
export { selfCheck } from './self-check'
