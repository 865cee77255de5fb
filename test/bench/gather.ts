import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entryPath } from '../../main/base/entries'
import { resultPath, writeSet, writeStudy } from '../../main/pipeline/shard-set'
import type { ShardSet } from '../../main/pipeline/shard-set'
import { buildVersion } from '../../main/pipeline/versions'
import { chainNames } from '../../main/sampling/input'
import type { ChainName } from '../../main/sampling/input'
import type { Sampled } from '../../main/sampling/sampled'
import { writeSampled } from '../../main/sampling/sampled-file'
import { parseConfiguration } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import { uniforms } from '../tiny-model'

/** What is gathered: as many shards of a run of that size, whose numbers are drawn at random. */
export interface GatherSize {
  readonly tokens: number
  readonly components: number
  readonly method: 'psgld' | 'first-order'
}

const rowLength = 128
const shards = 4
const rounds = 2
const draws = 8

const engine = { name: 'onnx-cpu', device: 'CPU', precision: 'float32', version: '0' }

/** A configuration of a run by that method. */
export const configurationOf = (method: GatherSize['method']): RunConfiguration => {
  const sampler =
    method === 'psgld'
      ? { method, preset: 'paper', chains: 2, draws }
      : { method, rounds, targetReliability: false, keepSums: false }
  return parseConfiguration({ model: 'model', rows: 'rows.json', sampler, clustering: false }, 'configuration')
}

/** Numbers of which every token has the same part in all chains of a component, and noise of its own in each. */
const drawn = (): ((place: number, values: Float32Array | Float64Array) => void) => {
  const next = uniforms(5)
  const noise = Float32Array.from({ length: 1 << 20 }, () => next() - 0.5)
  return (place, values) => {
    const [component, chain] = [Math.floor(place / 64) * 7919, place * 104_729]
    for (let at = 0; at < values.length; at++) {
      values[at] = noise[(component + at) & 0xfffff] + noise[(chain + 3 * at) & 0xfffff]
    }
  }
}

/** What chains of a run of that size sampled, at random; sums are drawn when they are asked for. */
export const sampledBy = (
  { method }: GatherSize,
  tokens: number,
  names: readonly ChainName[],
  order: ReadonlyMap<string, number>
): Sampled => {
  const fill = drawn()
  const filled = <A extends Float32Array | Float64Array>(place: number, values: A): A => {
    fill(place, values)
    return values
  }
  const placeOf = ({ component, chain }: ChainName): number => 64 * order.get(component)! + 8 * chain
  const numbers = (place: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => 1e-3 * (1 + Math.sin(place + i)))
  if (method === 'psgld') {
    const chains = names.map((name) => {
      const values = Float64Array.from(numbers(placeOf(name), draws), (value) => 2 + value)
      return { ...name, initialLoss: 2, failure: null, losses: values, distances: values }
    })
    const half = (name: ChainName, at: number) => {
      const [full, place] = [name.component === 'full', placeOf(name) + at]
      return {
        loss: filled(place, new Float32Array(full ? tokens : 0)),
        product: filled(place, new Float32Array(full ? 0 : tokens))
      }
    }
    const sums = (at: number) => Promise.resolve([half(names[at], 0), half(names[at], 1)] as const)
    return { tokens, initialLoss: 2, chains, sums }
  }
  const chains = names.map((name) => {
    const [one, many] = [numbers(placeOf(name), rounds), numbers(placeOf(name), 4 * rounds)]
    const record = { phis: many, gradientNorms: many, directionNorms: one, observedSlopes: one }
    return { ...name, failure: null, record }
  })
  const [products, gradientProduct] = [new Float64Array(0), new Float32Array(0)]
  const sums = (at: number) => {
    const place = placeOf(names[at])
    const [slopes, gradient] = [filled(place, new Float64Array(tokens)), filled(place, new Float32Array(64))]
    return Promise.resolve({ slopes, products, gradient, gradientProduct })
  }
  return { tokens, initialLoss: 2, chains, sums }
}

/** Writes a set whose shards are all done, with results of that size; gives the number of tokens, of whole rows. */
export const writeDoneSet = async (folder: string, size: GatherSize): Promise<number> => {
  const rows = Math.ceil(size.tokens / (rowLength - 1))
  const tokens = rows * (rowLength - 1)
  const configuration = configurationOf(size.method)
  const components = Array.from({ length: size.components }, (_, i) => `head:${i >> 6}.${i & 63}`)
  const names = chainNames({ components, sampler: configuration.sampler })
  const order = new Map([...components, 'full'].map((component, i) => [component, i]))
  const ownOf = (shard: number): ChainName[] =>
    names.filter(({ component }) => order.get(component)! % shards === shard)
  const own = Array.from({ length: shards }, (_, shard) => ownOf(shard))
  const probe = Array.from({ length: rows }, () => new Int32Array(rowLength).map((_, i) => i))
  const study = {
    sampling: [],
    observation: [],
    probe,
    documents: [],
    hash: 'rows',
    targets: probe.map(() => Int32Array.from({ length: rowLength - 1 }, (_, i) => i + 1)),
    provenance: probe.map((_, i) => ({ subset: 'rows', segments: [{ start: 0, document: i, offset: 0 }] }))
  }
  const set: ShardSet = {
    format: 'spectroscope-shards',
    version: 2,
    id: `of ${tokens} × ${size.components}`,
    createdAt: new Date().toISOString(),
    program: buildVersion,
    configuration,
    baseFolder: folder,
    model: { folder: 'model', weights: null, hash: 'model' },
    tokenizerHash: null,
    studyHash: study.hash,
    engine,
    components,
    tokens,
    threads: 1,
    shards: own.map((chains, index) => ({ index, chains, share: 1 / shards }))
  }
  await writeStudy(folder, { study, texts: null, parameters: 0 })
  await writeSet(folder, set)
  for (const [shard, chains] of own.entries()) {
    await mkdir(join(folder, 'shards', String(shard)), { recursive: true })
    const about = {
      set: set.id,
      shard,
      host: 'here',
      processor: 'one',
      program: buildVersion,
      engine,
      threads: 1,
      finishedAt: set.createdAt,
      seconds: 1
    }
    await writeSampled(resultPath(folder, shard), about, sampledBy(size, tokens, chains, order))
  }
  return tokens
}

const bytesIn = async (folder: string): Promise<number> => {
  const names = await readdir(folder, { recursive: true }).catch((): string[] => [])
  const sizeOf = (name: string): Promise<number> =>
    stat(join(folder, name)).then(
      (entry) => (entry.isFile() ? entry.size : 0),
      () => 0
    )
  return (await Promise.all(names.map(sizeOf))).reduce((sum, size) => sum + size, 0)
}

/** What a process has used until now. */
export interface ProcessUse {
  /** Peak resident memory, bytes. */
  readonly peak: number
  /** Of processors. */
  readonly seconds: number
}

/** Of a process and its children, by the names of the processes; nothing where there is no /proc. */
const usesOf = async (pid: number): Promise<Map<string, ProcessUse>> => {
  const uses = new Map<string, ProcessUse>()
  const look = async (id: string): Promise<void> => {
    const read = (name: string): Promise<string> => readFile(join('/proc', id, name), 'utf8').catch(() => '')
    const [status, state, command] = [await read('status'), await read('stat'), await read('cmdline')]
    const peak = /VmHWM:\s+(\d+) kB/.exec(status)?.[1]
    const [user, system] = state
      .slice(state.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number)
    const name = /^spectroscope (\w+)/.exec(command)?.[1] ?? 'terminal'
    if (peak !== undefined) uses.set(name, { peak: 1024 * Number(peak), seconds: (user + system) / 100 })
    for (const child of (await read(`task/${id}/children`)).split(' ').filter(Boolean)) await look(child)
  }
  await look(String(pid))
  return uses
}

export interface GatherMeasured {
  readonly seconds: number
  readonly uses: ReadonlyMap<string, ProcessUse>
  /** Bytes of the workspace, at most and in the end. */
  readonly disk: { readonly most: number; readonly end: number }
}

/** Gathers a set into a new workspace, with the program that is built. Throws where that fails. */
export const measureGather = async (set: string, workspace: string): Promise<GatherMeasured> => {
  const start = performance.now()
  const args = [entryPath('cli'), 'gather', set, '--workspace', workspace]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const uses = new Map<string, ProcessUse>()
  let most = 0
  const look = async (): Promise<void> => {
    for (const [name, use] of await usesOf(child.pid!)) uses.set(name, use)
    most = Math.max(most, await bytesIn(workspace))
  }
  const watching = setInterval(() => void look(), 100)
  const [code] = (await once(child, 'close')) as [number | null]
  clearInterval(watching)
  if (code !== 0) throw new Error(`gather ended with exit code ${code}: ${said}`)
  return { seconds: (performance.now() - start) / 1000, uses, disk: { most, end: await bytesIn(workspace) } }
}

const parseSize = (text: string): GatherSize => {
  const found = /^(\d+)x(\d+)(?:x(psgld|first-order))?$/.exec(text)
  if (found === null) throw new Error(`"${text}" is no size; write it like 200000x326 or 200000x326xfirst-order.`)
  const method = found[3] === 'first-order' ? 'first-order' : 'psgld'
  return { tokens: Number(found[1]), components: Number(found[2]), method }
}

export const gatherSizes = [
  '10000x32',
  '50000x32',
  '200000x32',
  '200000x100',
  '50000x326',
  '200000x326',
  '20000x1000',
  '100000x1000',
  '100000x326xfirst-order'
]

const headings = [
  'tokens',
  'components',
  'method',
  'seconds',
  'cells/s',
  'of processors',
  'terminal',
  'compute',
  'store',
  'results',
  'workspace at most',
  'in the end'
]
const line = (entries: readonly (string | number)[]): string =>
  entries.map((entry, i) => entry.toLocaleString('en').padStart(Math.max(11, headings[i].length))).join('  ')
const mebibytes = (bytes = NaN): number => Math.round(bytes / 2 ** 20)

/** Time, memory and disk of `gather` for each size: tokens x components, and a method. */
export const benchGather = async (sizes: readonly string[]): Promise<void> => {
  console.log(`\ngather: ${shards} shards with random numbers, into a new workspace and without clusters`)
  console.log('  seconds by the clock and of processors, peak memory of each process and files in MiB')
  console.log(line(headings))
  for (const size of sizes.map(parseSize)) {
    const folder = await mkdtemp(join(tmpdir(), 'spectroscope-gather-'))
    try {
      const set = join(folder, 'set')
      await mkdir(set)
      const tokens = await writeDoneSet(set, size)
      const { seconds, uses, disk } = await measureGather(set, join(folder, 'workspace'))
      const processors = [...uses.values()].reduce((sum, use) => sum + use.seconds, 0)
      console.log(
        line([
          tokens,
          size.components,
          size.method,
          Math.round(seconds),
          Math.round((tokens * size.components) / seconds),
          Math.round(processors),
          ...['terminal', 'compute', 'store'].map((name) => mebibytes(uses.get(name)?.peak)),
          mebibytes(await bytesIn(join(set, 'shards'))),
          mebibytes(disk.most),
          mebibytes(disk.end)
        ])
      )
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}
