export { planCudaInstallation, removeCuda } from './install'
export { canInstallCuda, checkDriver, noDevice } from './needs'
export { type NvidiaDevice, cudaDevice, deviceWords } from './nvidia'
export { cudaEvaluators, openOnnxCuda, settleCuda } from './open'
