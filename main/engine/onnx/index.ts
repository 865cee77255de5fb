export { DeviceExecutor } from './device-executor'
export { openOnnxCpu } from './executor'
export type { RoundedProducts } from './lower'
export {
  copyFolder,
  copyRoot,
  cudaFiles,
  cudaFolder,
  folderWithCuda,
  installedFolder,
  librariesFolder,
  loadOnnx,
  packagedCuda
} from './package'
