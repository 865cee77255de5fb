import { serveExecutor, markOpened } from '../../apart'
import { type TensorflowOptions, openBackend } from './backend'
import { TfjsExecutor } from './executor'

process.title = 'spectroscope tfjs'

serveExecutor(async (options: TensorflowOptions) => {
  try {
    return new TfjsExecutor(await openBackend(options))
  } finally {
    markOpened()
  }
})
