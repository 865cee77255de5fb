export { openWebGpu } from './client'
