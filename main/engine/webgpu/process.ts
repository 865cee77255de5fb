import { serveExecutor } from '../apart/serve'
import { markOpened } from '../apart/startup-output'
import { openOnnxWebGpu } from '../onnx/webgpu'
import type { Kind } from './kind'

process.title = 'spectroscope webgpu'

serveExecutor(async (kind: Kind) => {
  const executor = await openOnnxWebGpu(kind === 'software')
  markOpened()
  return executor
})
