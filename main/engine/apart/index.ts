export { ProcessExecutor } from './client'
export { serveExecutor } from './serve'
export { StartupOutput, markOpened } from './startup-output'
