import { callSchemas, fromPlain, settingsSchema, SpectroscopeError, toPlain } from '../../preload/contract'
import type {
  AnnotationTarget,
  AppState,
  Bridge,
  CallAnswer,
  CallName,
  CallParameters,
  CallResult,
  ClusterEntry,
  FolderEntry,
  Job,
  LabelStatus,
  NoticeName,
  Notices,
  RunConfiguration,
  RunEvent,
  Settings,
  SuggestedName
} from '../../preload/contract'
import { checkedConfiguration } from '../../preload/configuration'
import { FakeLabels } from './fake-labels'
import { fakeShards } from './fake-shards'
import { fakeSweeps } from './fake-sweeps'
import { hash } from './random'
import { SyntheticClustering } from './synthetic-clustering'
import { SyntheticRuns } from './synthetic-runs'
import { subsets, texts } from './synthetic-texts'

export interface FakeOptions {
  readonly clusters: number
  readonly tokens: number
  readonly components: number
  /** Milliseconds before each answer. */
  readonly latency: number
  /** Calls that answer with an error. */
  readonly fail: readonly string[]
  /** Whether the token layout first takes some seconds to compute. */
  readonly slowLayout: boolean
  /** Whether the workspace has no runs. */
  readonly empty: boolean
  readonly theme: Settings['theme']
}

type Handlers = { [M in CallName]: (parameters: CallParameters<M>) => CallResult<M> | Promise<CallResult<M>> }

const home = '/home/person'
const author = 'Ada'
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** The main side for a window on a synthetic workspace. Checks every call, and answers it from memory. */
export const fakeBridge = (options: FakeOptions): Bridge => {
  const data = new SyntheticClustering(options)
  const runs = new SyntheticRuns(data, options.empty)
  const labels = new FakeLabels()
  const began = Date.now()
  const listeners = new Set<(name: string, data: unknown) => void>()
  const emit = <N extends NoticeName>(name: N, notice: Notices[N]): void =>
    listeners.forEach((listener) => listener(name, notice))
  const jobs = new Map<string, Job>()
  const suggested: SuggestedName[] = []
  const blindTests = new Map<
    string,
    { readonly run: string; readonly clustering: number; readonly cluster: number; readonly odd: number }
  >()
  let settings: Settings = settingsSchema.parse({ theme: options.theme, author })
  let views: Record<string, unknown> = {}
  let folder = `${home}/Spectroscope`
  let layoutReady = !options.slowLayout
  const entries = new Map<boolean, readonly ClusterEntry[]>()
  /** Whether a clustering is shown as ACL finds clusters. */
  const isFlat = ({ run, clustering }: { readonly run: string; readonly clustering: number }): boolean =>
    runs.record(run).clusterings.find(({ number }) => number === clustering)?.groupsAbove === 0

  const seconds = (): number => (Date.now() - began) / 1000
  const state = (): AppState => ({
    version: '0.1.0',
    shell: 'browser',
    platform: 'linux',
    cores: 8,
    memoryBytes: 32e9,
    home,
    workspace: folder,
    problem: null,
    untrusted: null,
    notes: [],
    settings,
    views,
    nativeDialogs: false
  })

  /** A job that progresses in steps of half a second. */
  const work = (job: Pick<Job, 'kind' | 'title' | 'run'>, steps: number, done: () => void = () => undefined): Job => {
    const id = `job-${jobs.size + 1}`
    const at = (step: number): Job => ({
      id,
      ...job,
      state: step === steps ? 'done' : 'working',
      fraction: step / steps,
      detail: `step ${step} of ${steps}`,
      secondsLeft: (steps - step) / 2,
      error: null
    })
    const tell = (step: number): void => {
      if (jobs.get(id)?.state === 'cancelled') return
      if (step === steps) done()
      jobs.set(id, at(step))
      emit('job', at(step))
      if (step < steps) setTimeout(() => tell(step + 1), 500)
    }
    jobs.set(id, at(0))
    setTimeout(() => tell(0), 0)
    return at(0)
  }

  const examples = (run: string, clustering: number): void => {
    const said: [LabelStatus, string, string[]][] = [
      ['labelled', 'closing brackets', ['code', 'syntax']],
      ['labelled', 'numbers in citations <b>bold</b>', ['legal']],
      ['unsure', 'something about line starts', []],
      ['skipped', '', []]
    ]
    said.forEach(([status, name, tags], index) =>
      labels.apply(
        run,
        clustering,
        [
          {
            do: 'set',
            targets: [`cluster:${3 * index + 1}`],
            label: { status, name, tags, note: index === 0 ? 'Mostly ) and } after a call.' : '' }
          }
        ],
        `label cluster ${3 * index + 1}`,
        author
      )
    )
    labels.apply(
      run,
      clustering,
      [{ do: 'merge', clusters: [12, 15, 18], label: { name: 'months' } }],
      'merge 3 clusters “months”',
      author
    )
    const named = [
      ['region', 'source code'],
      ['region', 'law and citations'],
      ['neighbourhood', 'ends of calls']
    ] as const
    const taken = new Set<number>()
    for (const [kind, name] of named) {
      const at = data.groups.above.findIndex((group, index) => group.kind === kind && !taken.has(index))
      taken.add(at)
      if (at >= 0)
        labels.apply(
          run,
          clustering,
          [{ do: 'set', targets: [`cluster:${data.clusters + at}`], label: { name, status: 'labelled' } }],
          `label ${kind} “${name}”`,
          author
        )
    }
  }
  if (!options.empty && options.clusters > 20) examples(runs.ids[7], 2)

  const move = (how: 'undo' | 'redo') => () => {
    const changed = labels.move(how)
    if (changed !== null && 'changed' in changed) emit('annotations', changed)
    else if (changed !== null) {
      runs.mark(changed.run, changed.marks)
      emit('runs-changed', null)
    }
    return { ...labels.state(), changed: changed !== null && 'changed' in changed ? changed : null }
  }

  const files: readonly FolderEntry[] = ['corpus', 'models', 'pythia-14m', 'studies']
    .map((name): FolderEntry => ({
      name,
      path: `${home}/${name}`,
      folder: true,
      bytes: 0,
      changedAt: '2026-11-02T10:00:00.000Z',
      model: name === 'pythia-14m'
    }))
    .concat(
      ['pile.jsonl', 'notes.txt', 'clusters.annotated.json'].map((name) => ({
        name,
        path: `${home}/${name}`,
        folder: false,
        bytes: 12_345_678,
        changedAt: '2026-11-12T10:00:00.000Z',
        model: false
      }))
    )

  const marked = ({ run, changes }: CallParameters<'runs.change'>): CallResult<'runs.change'> => {
    const before = runs.marks(run)
    const marks = {
      name: changes.name ?? before.name,
      archived: changes.archived ?? before.archived,
      deleted: changes.deleted ?? before.deleted
    }
    labels.recordMarks(
      run,
      changes.deleted === true
        ? `delete “${before.name}”`
        : changes.archived === undefined
          ? `rename “${before.name}”`
          : `archive “${before.name}”`,
      author,
      before,
      marks
    )
    runs.mark(run, marks)
    emit('runs-changed', null)
    emit('undo', labels.state())
    return { marks, undo: labels.state() }
  }

  const checked = (configuration: object): RunConfiguration => {
    const { configuration: whole, issues } = checkedConfiguration(configuration)
    if (whole === null) throw new SpectroscopeError('configuration', `${issues[0].message}.`)
    return whole
  }

  const handlers: Handlers = {
    'app.state': state,
    'settings.change': ({ changes }) => {
      settings = {
        ...settings,
        ...Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
      }
      emit('settings', settings)
      return settings
    },
    'views.save': ({ key, value }) => {
      views = { ...views, [key]: value }
      return null
    },
    'workspace.open': (asked) => {
      folder = asked.folder
      emit('workspace', { folder, reopened: false })
      return state()
    },
    'workspace.trust': () => state(),
    'engines.measure': async () => {
      await pause(1500)
      return [
        {
          name: 'onnx',
          device: 'cpu',
          precision: 'float32',
          version: '1.30.0',
          available: true,
          remedy: null,
          install: null,
          tokensPerSecond: 5200,
          gigaflopsPerSecond: 31
        },
        {
          name: 'cuda',
          device: 'gpu',
          precision: 'float32',
          version: '1.30.0',
          available: false,
          remedy: 'Install a driver for CUDA 12.',
          install: null,
          tokensPerSecond: null,
          gigaflopsPerSecond: null
        },
        {
          name: 'tfjs-gpu',
          device: 'NVIDIA GPU',
          precision: 'float32',
          version: '',
          available: false,
          remedy: "TensorFlow's library for TensorFlow.js is not installed.",
          install: 'tfjs',
          tokensPerSecond: null,
          gigaflopsPerSecond: null
        }
      ]
    },
    'engines.describeInstallation': async () => {
      await pause(800)
      return {
        engine: 'tfjs-gpu',
        bytes: 3.3e9,
        folder: '/home/someone/.local/share/spectroscope/engines/tensorflow-2.21.0',
        words:
          'Your pip downloads 3.3 GB from its index (PyPI), whose checksums are compared; that takes 5.6 GB of disk.'
      }
    },
    'engines.install': () => work({ kind: 'download', title: 'Installing tfjs-gpu', run: null }, 12),
    'jobs.list': () => [...jobs.values()].filter(({ state: now }) => now === 'working'),
    'jobs.cancel': ({ job }) => {
      const known = jobs.get(job)
      if (known !== undefined) {
        jobs.set(job, { ...known, state: 'cancelled' })
        emit('job', { ...known, state: 'cancelled' })
      }
      return null
    },
    'files.list': (asked) => ({
      folder: asked.folder ?? home,
      parent: asked.folder === '/' ? null : '/home',
      places: [],
      entries: files,
      cut: false,
      leftOut: 0
    }),
    'files.choose': () => null,

    'models.describe': (asked) => ({
      folder: asked.folder,
      architecture: 'gpt_neox',
      layers: 6,
      width: 128,
      heads: 4,
      vocabulary: 50_304,
      positions: 2048,
      parameters: 14_067_712,
      bytes: 56_270_848,
      hasTokenizer: true,
      components: data.components,
      groups: null
    }),
    'models.fetch': ({ name }) => work({ kind: 'download', title: `Download ${name}`, run: null }, 12),
    'corpora.preview': ({ rows }) => ({
      files: 3,
      documents: 12_345,
      complete: true,
      contents: null,
      rowsWanted: 3584,
      rowsThere: 9000,
      beginOfRow: null,
      problem: null,
      subsets: subsets.map((subset, index) => ({
        subset,
        documents: 1000 - 40 * index,
        tokens: 900_000 - 41_000 * index,
        rows: 300 - 14 * index
      })),
      rows: Array.from({ length: rows }, (_, row) => ({
        subset: subsets[row % subsets.length],
        tokens: Array.from({ length: 64 }, (__, at) => texts[Math.floor(texts.length * hash(70, row, at) ** 2)])
      }))
    }),

    'runs.list': () => runs.entries((run, clustering) => labels.counts(run, clustering, data.clusters)),
    'runs.get': ({ run }) => runs.record(run),
    'runs.readConfiguration': () => ({
      configuration: { model: 'model', corpus: { files: ['corpus.jsonl'] } },
      baseFolder: '/home/someone/study'
    }),
    'runs.check': ({ configuration }) => {
      const { configuration: whole, issues } = checkedConfiguration(configuration)
      return { problems: issues, configuration: whole }
    },
    'runs.estimate': ({ configuration }) => {
      const { corpus } = checked(configuration)
      const tokens = (corpus?.probe ?? 1024) * (corpus?.probeTokensPerRow ?? (corpus?.rowLength ?? 128) - 1)
      return {
        tokens,
        components: data.components.length,
        seconds: { prepare: 15, sample: tokens / 24, neighbours: tokens / 3000, cluster: tokens / 400 },
        memoryBytes: 900e6 + 400 * tokens,
        diskBytes: 300 * tokens,
        machineMemoryBytes: 32e9,
        diskFreeBytes: 210e9,
        lossTokens: 40 * tokens,
        gradientTokens: 11 * tokens,
        basis: 'This machine’s rate of 41,000 tokens a second, measured by the run “demo” two days ago.'
      }
    },
    'runs.estimateClustering': () => ({ seconds: data.tokens / 300, matrices: 10, notes: [] }),
    'runs.start': ({ name, configuration }) => {
      const run = runs.start(name, checked(configuration))
      emit('runs-changed', null)
      return { run }
    },
    'runs.stopPreview': () => null,
    'runs.previewSignal': async ({ configuration, seconds: asked }) => {
      checked(configuration)
      await pause(3000)
      return {
        seconds: asked,
        secondsForRun: 1500,
        remainder: null,
        corpus: null,
        words: 'Half a minute of sampling: the run is likely to need about 25 min.',
        components: data.components.slice(0, 3).map((component, index) => ({
          component,
          rounds: 2,
          reliability: 0.5 + 0.3 * hash(77, index),
          lower: 0.3 + 0.3 * hash(77, index),
          roundsNeeded: 6 + 3 * index
        }))
      }
    },
    'runs.continue': ({ run, name }) => {
      const begun = runs.record(run)
      const started = runs.start(name ?? `${begun.name}, continued`, begun.configuration)
      emit('runs-changed', null)
      return { run: started }
    },
    ...fakeShards(() => runs.ids[0]),
    ...fakeSweeps({ runs: runs.ids, clusters: data.clusters, tokens: data.tokens }, () => emit('runs-changed', null)),
    'runs.startDemo': () => {
      const run = runs.start('demo', checked({ model: 'demo/model', corpus: { files: ['demo/corpus'] } }))
      emit('runs-changed', null)
      return { run }
    },
    'runs.openExample': () => ({
      run: runs.ids[7] ?? runs.start('demo', checked({ model: 'demo/model', corpus: { files: ['demo/corpus'] } }))
    }),
    'runs.resume': ({ run }) => {
      runs.setStatus(run, 'running')
      emit('runs-changed', null)
      return null
    },
    'runs.pause': async ({ run }) => {
      await pause(800)
      runs.setStatus(run, 'interrupted')
      emit('runs-changed', null)
      return null
    },
    'runs.recluster': ({ run }) => ({ run }),
    'runs.change': marked,
    'runs.live': ({ run }) => runs.live(run, seconds()),
    'runs.health': ({ run }) => runs.health(run),
    'runs.traces': () => runs.traces(),
    'runs.heatMap': ({ most }) => data.heatMap(most),
    'runs.compareMatch': () => {
      const some = (first: number) => ({ count: 40, tokens: Int32Array.from({ length: 8 }, (_, at) => first + 3 * at) })
      return { both: some(0), gone: some(100), came: some(200) }
    },
    'runs.compare': () => ({
      tokens: data.tokens,
      by: 'rows',
      adjustedRand: 0.617,
      columns: data.components.map((component, index) => ({ component, correlation: 1 - hash(71, index) ** 2 })),
      matches: Array.from({ length: data.clusters }, (_, left) => {
        const leftSize = data.members(left).length
        const jaccard = hash(72, left)
        return {
          left,
          right: (left * 7 + 3) % data.clusters,
          common: Math.floor(leftSize * jaccard),
          jaccard,
          leftSize,
          rightSize: Math.max(1, Math.floor(leftSize * (0.6 + hash(73, left))))
        }
      })
    }),

    'clusters.overview': ({ run, clustering }) => {
      const record = runs.record(run)
      const found = record.clusterings.find(({ number }) => number === clustering)
      if (found === undefined)
        throw new SpectroscopeError(
          'input',
          `Run ${run} has no clustering ${clustering}; choose one of its ${record.clusterings.length}.`
        )
      const flat = found.groupsAbove === 0
      const clusters = entries.get(flat) ?? data.entries(flat)
      entries.set(flat, clusters)
      return {
        run: record,
        clustering: found,
        clusters,
        subsets,
        annotations: labels.annotations(run, clustering),
        undo: labels.state()
      }
    },
    'clusters.details': (asked) => data.details(asked.cluster, isFlat(asked)),
    'clusters.search': ({ text, regularExpression }) => {
      if (!regularExpression) return data.clustersWith((other) => other.includes(text))
      try {
        const expression = new RegExp(text, 'u')
        return data.clustersWith((other) => expression.test(other))
      } catch (error) {
        throw new SpectroscopeError(
          'input',
          `The regular expression "${text}" cannot be read (${error instanceof Error ? error.message : ''}); ` +
            'correct it.'
        )
      }
    },
    'clusters.tokens': (query) => data.gallery(query, isFlat(query)),
    'clusters.members': ({ cluster }) => data.members(cluster),
    'tokens.contexts': ({ tokens, before, after }) => Array.from(tokens, (token) => data.context(token, before, after)),
    'tokens.details': ({ token, before, after }) => data.tokenDetails(token, before, after),
    'tokens.summary': ({ tokens }) => data.selection(tokens),
    'tokens.find': ({ text, limit }) => data.tokensWith(text, limit),
    'tokens.membership': ({ level }) => data.membershipAt(level),
    'tokens.strengths': (asked) => (isFlat(asked) ? new Float32Array(0) : data.strengths()),
    'tokens.subsets': () => data.subsetIndices(),
    'tokens.column': ({ component }) => data.column(component),
    'tokens.edges': ({ tokens, most }) => data.edges(tokens, most),
    'graph.tokens': ({ run, again }) => {
      if (layoutReady && !again) return data.tokenLayout()
      return {
        state: 'working',
        job: work({ kind: 'layout', title: 'Lay out the tokens', run }, 12, () => (layoutReady = true))
      }
    },
    'graph.clusters': (asked) => data.clusterLayout(isFlat(asked)),

    'labels.apply': ({ run, clustering, changes, words }) => {
      const changed = labels.apply(run, clustering, changes, words, settings.author)
      emit('annotations', changed)
      return changed
    },
    'labels.undo': move('undo'),
    'labels.redo': move('redo'),
    'labels.history': ({ limit }) => labels.history(limit),
    'labels.blindTest': ({ run, clustering, cluster }) => {
      const test = `test-${blindTests.size + 1}`
      const odd = Math.floor(6 * hash(74, blindTests.size, cluster + 1))
      blindTests.set(test, { run, clustering, cluster, odd })
      const own = data.members(cluster)
      const other = data.members((cluster + 1) % data.clusters)
      const contexts = Array.from({ length: 6 }, (_, place) =>
        place === odd ? other[0] : own[Math.floor(own.length * hash(75, place, blindTests.size))]
      ).map((token) => data.context(token, 24, 24))
      return { test, contexts }
    },
    'labels.answerBlindTest': ({ test, choice }) => {
      const known = blindTests.get(test)
      if (known === undefined) throw new SpectroscopeError('input', 'This blind test is over; begin another.')
      const { changed, score } = labels.setBlindScore(known.run, known.clustering, known.cluster, choice === known.odd)
      emit('annotations', changed)
      return { odd: known.odd, right: choice === known.odd, score }
    },
    'labels.carry': ({ from, to, least, targets, apply }) => {
      const all = labels
        .annotations(from.run, from.clustering)
        .filter(({ target, name }) => target.startsWith('cluster:') && name !== '')
        .map(({ target, name }, index) => {
          const cluster = Number(target.split(':')[1])
          return {
            target,
            from: cluster,
            to: (cluster * 7 + 3) % data.clusters,
            jaccard: 0.5 + hash(76, cluster) / 2,
            name,
            replaces: index === 0 ? 'old name' : null
          }
        })
        .filter(({ target }) => targets?.includes(target) ?? true)
      const proposals = all.filter(({ jaccard }) => jaccard >= least)
      const left = all.filter(({ jaccard }) => jaccard < least).map(({ target, name }) => ({ target, name }))
      if (apply && proposals.length > 0) {
        const changes = proposals.map(({ to: target, name }) => ({
          do: 'set' as const,
          targets: [`cluster:${target}` as AnnotationTarget],
          label: { name }
        }))
        emit(
          'annotations',
          labels.apply(to.run, to.clustering, changes, `transfer ${proposals.length} labels`, settings.author)
        )
      }
      return { proposals, left, applied: apply }
    },
    'labels.suggest': ({ cluster }) => {
      const [first, second] = data.topTokens(cluster)
      const { subset } = data.entry(cluster)
      const quoted = (text: string | undefined): string => `“${(text ?? '').trim().slice(0, 20)}”`
      return {
        names: [
          `${quoted(first?.text)} in ${subset}`,
          `${quoted(first?.text)} and ${quoted(second?.text)}`,
          subset,
          'closing brackets',
          'repeated tokens'
        ]
      }
    },
    'labels.backUp': () => ({ file: `${folder}/backups/labels-2026-11-22-101530.json` }),

    'names.list': (place) => ({ ...place, names: suggested }),
    'names.preview': ({ cluster }) => ({
      url: `${settings.naming.address}/chat/completions`,
      model: settings.naming.model,
      hasKey: false,
      naming: `The cluster to name:\n${data.entry(cluster).size} tokens`,
      test: 'Cluster: (the name)',
      unnamed: data.clusters
    }),
    'names.suggest': ({ cluster = 0, ...place }) =>
      work({ kind: 'names', title: `Suggesting names by ${settings.naming.model}`, run: place.run }, 6, () => {
        suggested.push({
          cluster,
          name: `name ${cluster}`,
          description: 'Tokens that this stand-in knows nothing of.',
          model: settings.naming.model,
          at: new Date().toISOString(),
          repeated: false,
          dismissed: false,
          score: { right: 4, of: 5 }
        })
        emit('suggested-names', { ...place, names: suggested })
      }),
    'names.dismiss': ({ cluster, ...place }) => {
      suggested.forEach((one, at) => one.cluster === cluster && suggested.splice(at, 1, { ...one, dismissed: true }))
      emit('suggested-names', { ...place, names: suggested })
      return null
    },
    'names.hasKey': () => false,
    'names.setKey': () => null,

    'exports.write': async ({ path }) => {
      await pause(600)
      if (path.endsWith('there'))
        throw new SpectroscopeError(
          'storage',
          `${path} is there already; choose another name, or allow to overwrite it.`
        )
      return { path, files: [path], bytes: 1_234_567 }
    },
    'exports.picture': ({ path, content }) => ({ path, files: [path], bytes: content.length }),
    'exports.link': () => null,
    'imports.inspect': () => ({
      name: 'demo',
      version: 1,
      createdAt: '2026-11-20T10:00:00.000Z',
      model: 'pythia-14m',
      tokens: data.tokens,
      clusters: data.clusters,
      labelled: 30,
      fits: options.empty ? [] : [{ run: runs.ids[7], name: 'demo', clustering: 2 }]
    }),
    'imports.receive': ({ name }) => ({ path: `${folder}/received/${name}` }),
    'imports.annotated': ({ into }) => ({
      run: into?.run ?? runs.ids[7] ?? '',
      clustering: into?.clustering ?? 1,
      clusters: data.clusters,
      labels: 28,
      left: ['“months”: its tokens are in no cluster here.']
    })
  }

  /** Progress of the active run: a draw of every chain, four times per second. */
  const goOn = (): void => {
    const live = runs.live(runs.working, seconds())
    if (live.progress !== null) {
      const event: RunEvent = { type: 'progress', progress: live.progress }
      const { component = '', draw = 0 } = live.progress
      emit('run-event', { run: runs.working, event })
      const points = [0, 1, 2, 3].map((chain) => {
        const { losses, distances } = runs.trace(component, chain, 100)
        return { component, chain, draw, loss: losses[draw], distance: distances[draw] }
      })
      emit('trace', { run: runs.working, points })
    }
    setTimeout(goOn, 250)
  }
  if (!options.empty) setTimeout(goOn, 250)

  const answer = async <M extends CallName>(method: M, given: unknown): Promise<CallResult<M>> => {
    const parsed = callSchemas[method].safeParse(given)
    if (!parsed.success)
      throw new SpectroscopeError(
        'usage',
        `${method}: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join(', ')}.`
      )
    if (options.fail.includes(method))
      throw new SpectroscopeError('workspace', `${method} was asked to fail; take it out of "fail" in the address.`)
    return handlers[method](parsed.data as CallParameters<M>)
  }

  return {
    shell: 'browser',
    call: async (method, given): Promise<CallAnswer> => {
      await pause(options.latency)
      try {
        if (!(method in callSchemas)) throw new SpectroscopeError('usage', `There is no call "${method}".`)
        return { ok: true, result: structuredClone(await answer(method as CallName, structuredClone(given))) }
      } catch (error) {
        console.error(method, given, fromPlain(toPlain(error)))
        return { ok: false, error: toPlain(error) }
      }
    },
    onNotice: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    pathOf: () => null,
    answerClosing: () => undefined,
    onConnection: () => () => undefined
  }
}
