export { isTorchFile, readTorchEntries } from './state-dictionary'
