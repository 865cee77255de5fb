import { stageNames } from '../../preload/contract'
import type {
  BlockDiagnostics,
  ClusteringRecord,
  ComponentProgress,
  DiagnosticsRecord,
  LiveRun,
  RunConfiguration,
  RunEntry,
  RunHealth,
  RunMarks,
  RunRecord,
  RunStatus,
  StageName,
  TraceRecord
} from '../../preload/contract'
import { type ClusteringConfiguration, clusteringConfigurationSchema, presets } from '../../preload/configuration'
import { clusteringSchema } from '../../preload/contract'
import { hash, normal } from './random'
import type { SyntheticClustering } from './synthetic-clustering'
import { syntheticSweep } from './synthetic-groups'

const clusteringOf = (method: 'communities' | 'acl', neighbours: number): ClusteringConfiguration => {
  const asked = method === 'acl' ? { method, stability: false } : { method, resolution: chosenResolution }
  return clusteringConfigurationSchema.parse({
    ...clusteringSchema.parse(asked),
    neighbours,
    minSize: 20,
    whiten: false
  })
}
const chosenResolution = 11.31

const configuration = (model: string, preset: 'paper' | 'first-order'): RunConfiguration => ({
  model,
  components: 'all',
  seed: 1,
  engine: 'auto',
  clustering:
    preset === 'paper'
      ? clusteringOf('acl', 45)
      : { ...clusteringOf('communities', 10), neighbours: 'auto', minSize: 'auto', whiten: 'auto' },
  sampler: preset === 'paper' ? { ...presets.paper, preset } : { ...presets['first-order'], preset },
  corpus: {
    files: ['corpus'],
    textField: 'text',
    subsetField: 'meta.subset',
    rowLength: 128,
    prependBos: 'auto',
    sampling: 2048,
    observation: 512,
    probe: 1024,
    observationIncludesProbe: false
  }
})

interface Kind {
  readonly name: string
  readonly model: string
  readonly status: RunStatus
  readonly stage: StageName | null
  readonly done: number
  readonly clusterings: number
  readonly archived?: boolean
  readonly error?: string
  readonly queued?: boolean
  /** Sampled in rounds. */
  readonly rounds?: boolean
}

const kinds: readonly Kind[] = [
  {
    name: 'pythia-14m on the pile, first try',
    model: 'pythia-14m',
    status: 'finished',
    stage: null,
    done: 4,
    clusterings: 1,
    archived: true
  },
  {
    name: 'gpt2 small, two chains',
    model: 'gpt2',
    status: 'failed',
    stage: 'sample',
    done: 1,
    clusterings: 0,
    error: 'All chains of "head:3.2" diverged at step 40; lower "sampler.stepSize", or raise "sampler.gamma".'
  },
  {
    name: 'overnight',
    model: 'pythia-70m/step143000',
    status: 'interrupted',
    stage: 'sample',
    done: 1,
    clusterings: 0
  },
  { name: 'no clusters wanted', model: 'tinystories-1m', status: 'finished', stage: null, done: 3, clusterings: 0 },
  {
    name: 'pythia-14m at half of its training',
    model: 'pythia-14m/step71000',
    status: 'finished',
    stage: null,
    done: 4,
    clusterings: 1
  },
  {
    name: 'pythia-14m, seed 7',
    model: 'pythia-14m',
    status: 'running',
    stage: 'sample',
    done: 1,
    clusterings: 0,
    rounds: true
  },
  {
    name: 'waits for its turn',
    model: 'pythia-14m',
    status: 'pending',
    stage: null,
    done: 0,
    clusterings: 0,
    queued: true
  },
  { name: 'demo', model: 'pythia-14m', status: 'finished', stage: null, done: 4, clusterings: 2, rounds: true }
]

/** Runs of every status over one synthetic clustering. */
export class SyntheticRuns {
  readonly #data: SyntheticClustering
  readonly #marks = new Map<string, RunMarks>()
  readonly #started: {
    readonly id: string
    readonly name: string
    readonly configuration: RunConfiguration
    status: RunStatus
  }[] = []
  readonly ids: readonly string[]
  readonly working: string

  constructor(data: SyntheticClustering, empty: boolean) {
    this.#data = data
    this.ids = empty ? [] : kinds.map((_, index) => `2026112${index % 9}-10153${index}-k${index}f9`)
    this.working = this.ids[5] ?? ''
  }

  #created(index: number): string {
    return new Date(Date.now() - (kinds.length - index) ** 2.4 * 3_600_000).toISOString()
  }

  marks(run: string): RunMarks {
    const index = this.ids.indexOf(run)
    return (
      this.#marks.get(run) ?? {
        name: this.#started.find(({ id }) => id === run)?.name ?? kinds[index].name,
        archived: kinds[index]?.archived ?? false,
        deleted: false
      }
    )
  }

  mark(run: string, marks: RunMarks): void {
    this.#marks.set(run, marks)
  }

  /** The first one by ACL, without its stability; later ones a tree. */
  #clustering(number: number, createdAt: string): ClusteringRecord {
    const data = this.#data
    const common = {
      number,
      seed: 1,
      createdAt,
      edges: 45 * data.tokens,
      volume: 71 * data.tokens,
      clusters: data.clusters,
      leftoverKind: 'main body',
      leftoverSize: data.members(-1).length
    } as const
    if (number === 1) {
      return {
        ...common,
        name: 'first',
        configuration: clusteringOf('acl', 45),
        ending: '200 rejections in a row',
        attempts: 812,
        groupsAbove: 0,
        stability: null,
        neighbourRecall: null,
        modularity: null,
        sweep: []
      }
    }
    this.#stability ??= data.groups.stabilityRecord((group) => data.members(group).length, data.tokens)
    return {
      ...common,
      name: 'a tree',
      configuration: clusteringOf('communities', 10),
      ending: 'all tokens are in communities',
      attempts: 4,
      groupsAbove: data.groups.above.length,
      stability: this.#stability,
      neighbourRecall: null,
      modularity: 0.62,
      sweep: syntheticSweep(chosenResolution)
    }
  }
  #stability: ClusteringRecord['stability'] = null

  start(name: string, asked: RunConfiguration): string {
    const id = `20261130-12000${this.#started.length}-new${this.#started.length}`
    this.#started.push({ id, name, configuration: asked, status: 'running' })
    return id
  }

  setStatus(run: string, status: RunStatus): void {
    const started = this.#started.find(({ id }) => id === run)
    if (started !== undefined) started.status = status
  }

  record(run: string): RunRecord {
    const index = this.ids.indexOf(run)
    const started = this.#started.find(({ id }) => id === run)
    const kind: Kind =
      started === undefined
        ? kinds[index]
        : {
            name: started.name,
            model: started.configuration.model,
            status: started.status,
            stage: 'prepare',
            done: 0,
            clusterings: 0
          }
    const createdAt = started === undefined ? this.#created(index) : new Date().toISOString()
    const finishedAt = kind.status === 'finished' ? new Date(Date.parse(createdAt) + 3_100_000).toISOString() : null
    return {
      id: run,
      ...this.marks(run),
      status: kind.status,
      stage: kind.stage,
      createdAt,
      startedAt: kind.status === 'pending' ? null : createdAt,
      finishedAt,
      stages: stageNames.slice(0, kind.done).map((stage, place) => ({
        stage,
        finishedAt: new Date(Date.parse(createdAt) + 60_000 * (place + 1)).toISOString(),
        seconds: [12, 2710, 41, 388][place],
        threads: 4
      })),
      configuration:
        started?.configuration ?? configuration(`models/${kind.model}`, kind.rounds === true ? 'first-order' : 'paper'),
      baseFolder: '/home/person/studies',
      provenance: {
        seed: 1,
        modelHash: 'a3f1'.repeat(16),
        studyHash: '09bc'.repeat(16),
        platform: 'linux-x64',
        threads: 4,
        engine: { name: 'onnx', device: 'cpu', precision: 'float32', version: '1.30.0' }
      },
      error: kind.error ?? null,
      tokens: kind.done > 0 ? this.#data.tokens : 0,
      probeRows: Math.ceil(this.#data.tokens / 127),
      components: kind.done > 1 ? this.#data.components : [],
      initialLoss: kind.done > 1 ? 4.2137 : null,
      clusterings: Array.from({ length: kind.clusterings }, (_, place) => this.#clustering(place + 1, createdAt))
    }
  }

  entries(labels: (run: string, clustering: number) => RunEntry['labels']): RunEntry[] {
    return [...this.ids, ...this.#started.map(({ id }) => id)].map((id) => {
      const record = this.record(id)
      const latest = record.clusterings.at(-1)
      return {
        id,
        name: record.name,
        model: record.configuration.model.split('/').slice(1).join('/') || record.configuration.model,
        tokens: record.tokens,
        components: record.components.length,
        engine: 'onnx',
        status: record.status,
        stage: record.stage,
        error: record.error,
        clusters: latest?.clusters ?? null,
        clustering: latest?.number ?? null,
        clusterings: record.clusterings.map(({ number, name, clusters }) => ({ number, name, clusters })),
        labels: latest === undefined ? {} : labels(id, latest.number),
        createdAt: record.createdAt,
        finishedAt: record.finishedAt,
        archived: record.archived,
        deleted: record.deleted,
        engineLost: record.provenance.engineLost != null,
        queued: kinds[this.ids.indexOf(id)]?.queued ?? false,
        reclustering: false,
        imported: null,
        keptSums:
          record.status === 'finished' && record.configuration.sampler.method !== 'psgld'
            ? 32 * record.tokens * record.components.length
            : null
      }
    })
  }

  diagnostics(): DiagnosticsRecord[] {
    return this.#data.components.map((component, index) => {
      const noisy = hash(50, index) < 0.2
      const failed = hash(51, index) < 0.04
      return {
        component,
        splitRHat: failed ? null : 1 + 0.3 * hash(52, index) ** 4,
        learningCoefficient: 4 + 60 * hash(53, index) * (noisy ? -0.05 : 1),
        meanDistance: [0.4, 0.42].map((base) => base + 0.1 * hash(54, index)),
        finalDistance: [0.5, 0.52].map((base) => base + 0.1 * hash(55, index)),
        meanLoss: [4.24, 4.25],
        reliability: noisy ? 0.2 * hash(56, index) : 0.6 + 0.38 * hash(56, index),
        centredReliability: noisy ? 0.1 : 0.5 + 0.4 * hash(57, index),
        lossTrace: { first: 4.21, last: 4.26, min: 4.2, max: 4.3 },
        failedChains: failed ? [{ chain: 1, draw: 12, step: 140, message: 'loss was not a number' }] : [],
        blocks: null
      }
    })
  }

  /** A component's signal after one round, as r/(1-r): reliability grows with rounds by it. */
  #signal(index: number): number {
    return hash(61, index) < 0.08 ? 0.03 : 0.2 + 6 * hash(62, index) ** 2
  }

  #blocks(index: number, rounds: number): BlockDiagnostics {
    const odds = rounds * this.#signal(index)
    const bounds = (of: number): readonly [number, number] => [(of * 0.6) / (1 + of * 0.6), (of * 1.6) / (1 + of * 1.6)]
    return {
      rounds,
      reliabilityBounds: bounds(odds),
      centredReliabilityBounds: bounds(0.8 * odds),
      gradientCosine: odds / (1 + odds),
      gradientNorm: 0.002 + 0.02 * hash(63, index),
      effectiveShare: 1 - 0.015 * hash(64, index),
      meanPhi: 0.002 + 0.004 * hash(65, index),
      phiDeviation: 0.0008 + 0.001 * hash(66, index),
      remainder: index % 11 === 3 ? { draws: 16, share: 0.04 * hash(67, index), error: 0.01 } : null
    }
  }

  #roundsDone(index: number): number {
    return Math.min(16, Math.ceil(4 / (0.6 * this.#signal(index))))
  }

  #progressOf(round: number): ComponentProgress[] {
    return this.#data.components.map((component, index) => {
      const rounds = Math.min(round, this.#roundsDone(index))
      const odds = rounds * this.#signal(index)
      const lower = (odds * 0.6) / (1 + odds * 0.6)
      const known = rounds > 0
      const done = rounds >= 16 || lower >= 0.8
      return { component, rounds, reliability: known ? odds / (1 + odds) : null, lower: known ? lower : null, done }
    })
  }

  #roundsHealth(run: string): RunHealth {
    const diagnostics = this.#data.components.map((component, index): DiagnosticsRecord => {
      const rounds = this.#roundsDone(index)
      const odds = rounds * this.#signal(index)
      return {
        component,
        splitRHat: null,
        learningCoefficient: 3 * (0.002 + 0.004 * hash(65, index)),
        meanDistance: [],
        finalDistance: [],
        meanLoss: [],
        reliability: odds / (1 + odds),
        centredReliability: (0.8 * odds) / (1 + 0.8 * odds),
        lossTrace: { first: NaN, last: NaN, min: NaN, max: NaN },
        failedChains: [],
        blocks: this.#blocks(index, rounds)
      }
    })
    return {
      run: this.record(run),
      initialLoss: 4.2137,
      threshold: 0.5,
      diagnostics,
      columns: [],
      findings: diagnostics
        .filter(({ reliability }) => reliability < 0.5)
        .map(({ component, reliability }) => {
          const noisy = `${component}: the reliability of its column is ${reliability.toPrecision(2)} (below 0.5)`
          const help = 'its mean gradient is poorly estimated: more sampler.pairs or more rounds would help'
          return { component, kind: 'mostly noise', message: `${noisy}; ${help}.` }
        })
    }
  }

  health(run: string): RunHealth {
    if (this.record(run).configuration.sampler.method !== 'psgld') return this.#roundsHealth(run)
    const diagnostics = this.diagnostics()
    return {
      run: this.record(run),
      initialLoss: 4.2137,
      threshold: 0.5,
      diagnostics,
      columns: diagnostics.map(({ component, reliability }) => ({
        component,
        deviation: 0.012 + 0.01 * reliability,
        standardError: 0.012 * (1.2 - reliability)
      })),
      findings: [
        ...diagnostics
          .filter(({ splitRHat }) => splitRHat !== null && splitRHat > 1.1)
          .map(({ component, splitRHat }) => ({
            component,
            kind: 'not-mixed',
            message:
              `${component}: chains do not agree (R̂ ${splitRHat?.toFixed(2)}); give them more burn-in or more ` +
              'draws.'
          })),
        ...diagnostics
          .filter(({ reliability }) => reliability < 0.5)
          .map(({ component, reliability }) => ({
            component,
            kind: 'noisy',
            message: `${component}: mostly noise (reliability ${reliability.toFixed(2)}); take more draws.`
          })),
        ...diagnostics
          .filter(({ failedChains }) => failedChains.length > 0)
          .map(({ component }) => ({
            component,
            kind: 'failed-chain',
            message: `${component}: chain 1 failed at draw 12 because its loss was not a number; lower the step size.`
          }))
      ]
    }
  }

  trace(component: string, chain: number, draws: number, whole = 100): TraceRecord {
    const index = this.#data.components.indexOf(component)
    const losses = Float64Array.from({ length: whole }, (_, draw) =>
      draw < draws ? 4.2137 + 0.05 * (1 - Math.exp(-draw / 15)) + 0.006 * normal(58, index, chain, draw) : NaN
    )
    return {
      component,
      chain,
      losses,
      distances: Float64Array.from(losses, (loss, draw) =>
        Number.isNaN(loss) ? NaN : 0.5 * (1 - Math.exp(-draw / 25)) + 0.004 * normal(59, index, chain, draw)
      )
    }
  }

  traces(draws = 100): TraceRecord[] {
    return this.#data.components.flatMap((component) =>
      [0, 1, 2, 3].map((chain) => this.trace(component, chain, draws))
    )
  }

  /** The run at work, `seconds` after the page was opened. */
  live(run: string, seconds: number): LiveRun {
    const working = run === this.working || this.#started.some(({ id, status }) => id === run && status === 'running')
    const { components } = this.#data
    if (this.record(run).configuration.sampler.method !== 'psgld') return this.#liveRounds(run, working, seconds)
    const at = 4 + seconds / 8
    const findings = this.health(run).findings.slice(0, 3)
    return {
      run,
      working,
      pausing: false,
      initialLoss: 4.2137,
      stage: working ? 'sample' : null,
      progress: working
        ? {
            stage: 'sample',
            done: Math.min(at, components.length),
            total: components.length,
            unit: 'components',
            component: components[Math.min(components.length - 1, Math.floor(at))],
            chains: 4,
            draws: 100,
            draw: Math.floor(100 * (at % 1)),
            tokensPerSecond: 41_000,
            secondsLeft: Math.max(0, 8 * (components.length - at))
          }
        : null,
      components: components.map((component, index) => ({ component, fraction: Math.max(0, Math.min(1, at - index)) })),
      rates: Float64Array.from({ length: 120 }, (_, index) =>
        index % 2 === 0 ? 2.5 * index : 38_000 + 6000 * hash(60, index)
      ),
      traces: components
        .slice(0, Math.min(components.length, Math.floor(at) + 1))
        .flatMap((component, index) =>
          [0, 1, 2, 3].map((chain) =>
            this.trace(component, chain, index < Math.floor(at) ? 100 : Math.floor(100 * (at % 1)))
          )
        ),
      events: [
        { at: this.#created(5), event: { type: 'stage', stage: 'sample' } },
        {
          at: this.#created(5),
          event: {
            type: 'note',
            message: 'The compute process ended (out of memory) and was started again at component head:0.2.'
          }
        },
        {
          at: this.#created(5),
          event: {
            type: 'note',
            warning: true,
            message:
              'Sampling needs about 26.1 GB of memory even on one thread, and there is 25.3 GB: it goes on ' +
              'one, and may be slow or end early; if so, study fewer tokens or components, set fewer ' +
              '"sampler.chains", or divide the run with `spectroscope shard`.'
          }
        }
      ],
      flags: findings
    }
  }

  /** The same of a run in rounds: it is in its third when the page is opened, and takes 20 seconds for each. */
  #liveRounds(run: string, working: boolean, seconds: number): LiveRun {
    const { components } = this.#data
    const round = Math.min(16, 2 + Math.floor(seconds / 20))
    const reliabilities = this.#progressOf(round)
    const left = reliabilities.filter(({ done }) => !done).length
    return {
      run,
      working,
      pausing: false,
      initialLoss: 4.2137,
      stage: working ? 'sample' : null,
      progress: working
        ? {
            stage: 'sample',
            done: Math.min(1, (round + (seconds % 20) / 20) / 16),
            total: 1,
            unit: '',
            component: components[0],
            round: round + 1,
            rounds: 16,
            reliabilities,
            tokensPerSecond: 52_000,
            secondsLeft: 14 * left
          }
        : null,
      components: reliabilities.map(({ component, done }) => ({ component, fraction: done ? 1 : 0 })),
      rates: Float64Array.from({ length: 120 }, (_, at) => (at % 2 === 0 ? 2.5 * at : 48_000 + 6000 * hash(60, at))),
      traces: [],
      events: [{ at: this.#created(5), event: { type: 'stage', stage: 'sample' } }],
      flags: []
    }
  }
}
