import { parentPort, workerData } from 'node:worker_threads'
import type { MatchingOrder } from './matching'

const { source, texts } = workerData as MatchingOrder
const expression = new RegExp(source, 'u')
parentPort!.postMessage(Int32Array.from(texts.keys()).filter((place) => expression.test(texts[place])))
