import { serveExecutor, markOpened } from '../../apart'
import { openOnnxWebGpu } from './provider'
import type { Kind } from './kind'

process.title = 'spectroscope webgpu'

serveExecutor(async (kind: Kind) => {
  const executor = await openOnnxWebGpu(kind === 'software')
  markOpened()
  return executor
})
