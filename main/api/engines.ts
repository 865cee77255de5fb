export { measureEnginesApart as measureEngines } from '../pipeline/session'
