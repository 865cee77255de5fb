import { serveExecutor } from '../apart/serve'
import { openOnnxWebGpu } from '../onnx/webgpu'
import type { Kind } from './kind'
import { openedMark } from './loader-output'

process.title = 'spectroscope webgpu'

serveExecutor(async (kind: Kind) => {
  const executor = await openOnnxWebGpu(kind === 'software')
  process.stderr.write(openedMark)
  return executor
})
