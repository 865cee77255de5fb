import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entryPath, projectRoot } from '../../main/base/entries'
import { openPool } from '../../main/base/pool'
import { openTeam } from '../../main/base/team'
import { prepareSearch } from '../../main/clustering/neighbours'
import { preprocess } from '../../main/clustering/preprocess'
import type { ClusteringResult, ClusteringTask } from '../../main/clustering/tasks'
import { plantedMatrix } from './planted-matrix'

const k = 45

const runPeers = (python: string, args: readonly string[]): Promise<void> =>
  new Promise((resolve) => {
    const child = spawn(python, [join(projectRoot, 'test', 'bench', 'neighbours-peers.py'), ...args], {
      stdio: ['ignore', 'inherit', 'inherit']
    })
    child.on('error', (error) => {
      console.log(`  peers skipped: ${error.message}`)
      resolve()
    })
    child.on('close', () => resolve())
  })

/**
 * Exact neighbours of one matrix beside scikit-learn's brute force and hnswlib, on the same points with the same
 * number of threads.
 */
const compare = async (tokens: number, dimensions: number, threads: number, python: string): Promise<void> => {
  const points = preprocess(
    plantedMatrix(tokens, dimensions),
    tokens,
    Array.from({ length: dimensions }, (_, i) => `component ${i}`),
    false
  )
  const pool = openPool<ClusteringTask, ClusteringResult>(entryPath('clustering-worker'), threads)
  const start = performance.now()
  const search = prepareSearch(points, k, threads)
  await pool.runOn(threads, { kind: 'neighbours', search, team: openTeam(threads) })
  const seconds = (performance.now() - start) / 1000
  await pool.close()
  const rate = (2 * tokens * tokens * dimensions) / seconds / 1e9
  console.log(
    `\nneighbours: ${tokens} × ${dimensions}, k = ${k}, ${threads} threads\n  ours, exact: ` +
      `${seconds.toFixed(1)} s (${rate.toFixed(0)} G multiplications and additions a second)`
  )
  const folder = await mkdtemp(join(tmpdir(), 'spectroscope-bench-'))
  try {
    const files = [join(folder, 'points'), join(folder, 'neighbours')]
    await writeFile(files[0], new Uint8Array(points.values.buffer))
    await writeFile(files[1], new Uint8Array(search.neighbours.indices.buffer))
    await runPeers(python, [...files, String(tokens), String(dimensions), String(k), String(threads)])
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** `sizes`: tokens × dimensions of each comparison. */
export const benchNeighbours = async (sizes: readonly string[], threads: number, python: string): Promise<void> => {
  for (const size of sizes) {
    const [tokens, dimensions] = size.split('x').map(Number)
    await compare(tokens, dimensions, threads, python)
  }
}
