export { planTfjs, removeTfjs } from './install'
export { canInstallTfjs, openTfjsGpu } from './installation'
