import { serveExecutor } from '../apart/serve'
import type { Backend } from './environment'
import { TfjsExecutor } from './executor'

process.title = 'spectroscope tfjs'

serveExecutor(({ backend }: { readonly backend: Backend }) => TfjsExecutor.open(backend))
