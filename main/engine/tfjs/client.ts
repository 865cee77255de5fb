import { SpectroscopeError } from '../../../preload/errors'
import { ProcessExecutor, checkRuntime } from '../apart/client'
import { type Backend, gpuEnvironment } from './environment'

export const checkTfjsRuntime = (): void => checkRuntime('TensorFlow.js')

/** TensorFlow.js in a process of its own. Throws an `engine` error where the process can't load the backend, dies of it, or finds no GPU. */
export const openTfjsProcess = async (backend: Backend): Promise<ProcessExecutor> =>
  ProcessExecutor.open({
    entry: 'tfjs',
    library: 'TensorFlow.js',
    options: { backend },
    environment: backend === 'tensorflow' ? gpuEnvironment(process.env) : {},
    lostAtStart: (words) =>
      new SpectroscopeError(
        'engine',
        `The TensorFlow.js process ended (${words}) while it loaded its library; see that the driver, CUDA 11.2 and cuDNN 8.1 fit, or choose another engine.`
      )
  })
