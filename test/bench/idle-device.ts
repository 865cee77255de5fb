import type { Executor } from '../../main/engine/core/executor'
import { type Graph, size } from '../../main/engine/core/graph'

/** A device that computes nothing, and keeps residents. */
export const idleDevice = (memoryBytes: number): Executor => ({
  description: { name: 'idle', device: 'none', precision: 'none', version: '' },
  memoryBytes,
  resident: (_, shape) => ({ shape, handle: null }),
  drop: () => {},
  dispose: () => Promise.resolve(),
  compile: ({ outputs }: Graph) => {
    const empty = Object.fromEntries([...outputs].map(([name, { shape }]) => [name, new Float32Array(size(shape))]))
    return Promise.resolve({ dispose: () => Promise.resolve(), run: () => Promise.resolve(empty) })
  }
})
