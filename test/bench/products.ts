import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
import { projectRoot } from '../../main/base/entries'
import { GraphBuilder } from '../../main/engine/core/graph'
import { openOnnxCpu } from '../../main/engine/onnx/executor'

const side = 1024
const operations = 2 * side ** 3

/** Products of 1024 × 1024 matrices for a while; seconds and number. */
const multiply = async (seconds: number): Promise<{ products: number; seconds: number }> => {
  const builder = new GraphBuilder()
  builder.output('c', builder.matmul(builder.input('a', [side, side]), builder.input('b', [side, side])))
  const program = await openOnnxCpu().compile(builder.build())
  const [a, b] = [0, 1].map((offset) => Float32Array.from({ length: side * side }, (_, i) => Math.sin(i + offset)))
  await program.run({ a, b })
  const start = performance.now()
  let products = 0
  while (performance.now() - start < seconds * 1000) {
    await program.run({ a, b })
    products++
  }
  return { products, seconds: (performance.now() - start) / 1000 }
}

/**
 * The machine's rate of float32 matrix products in operations a second: one single-threaded worker a thread, best of
 * `rounds`.
 */
export const productRate = async (threads = availableParallelism(), rounds = 3): Promise<number> => {
  const workers = Array.from({ length: threads }, () => new Worker(join(projectRoot, 'out', 'bench', 'products.js')))
  const round = async (): Promise<number> => {
    const results = await Promise.all(
      workers.map((worker) => {
        const answer = new Promise<{ products: number; seconds: number }>((resolve, reject) =>
          worker.once('message', resolve).once('error', reject)
        )
        worker.postMessage(1.5)
        return answer
      })
    )
    return results.reduce((sum, { products, seconds }) => sum + (products * operations) / seconds, 0)
  }
  let best = 0
  for (let i = 0; i < rounds; i++) best = Math.max(best, await round())
  await Promise.all(workers.map((worker) => worker.terminate()))
  return best
}

if (!isMainThread)
  parentPort!.on(
    'message',
    (seconds: number) => void multiply(seconds).then((result) => parentPort!.postMessage(result))
  )
