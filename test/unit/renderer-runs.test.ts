import { describe, expect, it } from 'vitest'
import {
  checkedConfiguration,
  clusteringMethods,
  configurationSchema,
  presetNames,
  presets
} from '../../preload/contract'
import type {
  ClusteringMethod,
  DiagnosticsRecord,
  Estimate,
  ResolutionPoint,
  RunEntry,
  RunHealth
} from '../../preload/contract'
import { clusteringMethodOf, withClusteringMethod } from '../../renderer/runs/clustering-methods'
import { componentRows, toggled } from '../../renderer/runs/components'
import { healthRows, noCoefficientWords, noiseWords, sortedRows } from '../../renderer/runs/diagnostics'
import { draftFromText, problemsAt, valueAt, withoutDefaults, withValue } from '../../renderer/runs/draft'
import { estimateWarnings } from '../../renderer/runs/estimate'
import { clusteringFields, fallbackAt, fallbackOf, fieldAt, sections, typedValue } from '../../renderer/runs/fields'
import { cellWords, fullColour, orderedRows } from '../../renderer/runs/heat-map'
import {
  copyName,
  endWords,
  filtered,
  isAtWork,
  labelledShare,
  readListing,
  sorted,
  statusWord,
  usualListing
} from '../../renderer/runs/listing'
import { withPreset, wordsForMethod } from '../../renderer/runs/methods'
import {
  logTicks,
  nearestPoint,
  pointAt,
  pointWords,
  resolutionText,
  sweepGeometry
} from '../../renderer/runs/sweep-plot'
import { aligned, keptIndices, Traces } from '../../renderer/runs/traces'
import { eventWords, placeWords, progressWords } from '../../renderer/runs/words'
import { folderOf, isAbsolute, joined, lastPart, matching, shownPath } from '../../renderer/ui/paths'

const run = (changes: Partial<RunEntry>): RunEntry => ({
  id: 'a',
  name: 'demo',
  model: 'tiny',
  tokens: 100,
  components: 4,
  engine: 'cpu',
  status: 'finished',
  stage: null,
  error: null,
  clusters: 10,
  clustering: 1,
  clusterings: [],
  labels: {},
  createdAt: '2026-01-01T00:00:00.000Z',
  finishedAt: null,
  archived: false,
  deleted: false,
  queued: false,
  reclustering: false,
  engineLost: false,
  keptSums: null,
  imported: null,
  ...changes
})

describe('the list of runs', () => {
  it('sorts by a column either way, with runs that have no value last', () => {
    const runs = [
      run({ id: 'none', clusters: null }),
      run({ id: 'few', clusters: 3 }),
      run({ id: 'many', clusters: 30 })
    ]
    expect(sorted(runs, { by: 'clusters', descending: false }).map(({ id }) => id)).toEqual(['few', 'many', 'none'])
    expect(sorted(runs, { by: 'clusters', descending: true }).map(({ id }) => id)).toEqual(['many', 'few', 'none'])
  })

  it('sorts names as people do, and by age from the youngest', () => {
    const runs = [
      run({ id: '1', name: 'run 10', createdAt: '2026-01-01T00:00:00Z' }),
      run({ id: '2', name: 'Run 9', createdAt: '2026-01-03T00:00:00Z' }),
      run({ id: '3', name: 'alpha', createdAt: '2026-01-02T00:00:00Z' })
    ]
    expect(sorted(runs, { by: 'name', descending: false }).map(({ id }) => id)).toEqual(['3', '2', '1'])
    expect(sorted(runs, { by: 'age', descending: false }).map(({ id }) => id)).toEqual(['2', '3', '1'])
  })

  it('hides what is deleted, or archived unless asked for, and finds every word typed', () => {
    const runs = [
      run({ id: 'here' }),
      run({ id: 'gone', deleted: true }),
      run({ id: 'aside', archived: true }),
      run({ id: 'stopped', status: 'interrupted', name: 'other' }),
      run({ id: 'waiting', status: 'pending', queued: true })
    ]
    const ids = (text: string, changes: object): string[] =>
      filtered(runs, text, { ...usualListing, ...changes }).map(({ id }) => id)
    expect(ids('', {})).toEqual(['here', 'stopped', 'waiting'])
    expect(ids('', { archived: true })).toEqual(['here', 'aside', 'stopped', 'waiting'])
    expect(ids('TINY other', {})).toEqual(['stopped'])
    expect(ids('paused', {})).toEqual(['stopped'])
    expect(
      filtered(
        [run({ id: 'lost', status: 'interrupted', engineLost: true }), ...runs],
        'device lost',
        usualListing
      ).map(({ id }) => id)
    ).toEqual(['lost'])
    expect(ids('', { state: 'at work' })).toEqual(['waiting'])
    expect(ids('', { state: 'stopped' })).toEqual(['stopped'])
  })

  it('says when a run, or one more clustering of it, is done, and not where that was stopped', () => {
    const [one, two] = [1, 2].map((number) => ({ number, name: '', clusters: 3 }))
    const again = run({ reclustering: true, clusterings: [one] })
    expect([isAtWork(again), statusWord(again), isAtWork(run({}))]).toEqual([true, 'clustering', false])
    const done = run({ reclustering: true, clusterings: [one, two], clustering: 2 })
    expect(endWords(again, done)).toBe('Clustering 2 of “demo” finished.')
    expect(endWords(again, run({ clusterings: [one] }))).toBeNull()
    expect(endWords(run({ clusterings: [one] }), run({ clusterings: [one] }))).toBeNull()
    expect(endWords(run({ status: 'running' }), run({}))).toBe('Run “demo” finished.')
    expect(endWords(run({ status: 'running' }), run({ status: 'failed' }))).toBeNull()
  })

  it('knows the share labelled, names of copies, and what it kept', () => {
    expect(labelledShare(run({ labels: { labelled: 4, skipped: 2 } }))).toBe(0.4)
    expect(labelledShare(run({ clusters: null }))).toBeNull()
    expect(copyName('demo, copy', ['demo', 'demo, copy'])).toBe('demo, copy 2')
    expect(readListing({ ...usualListing, by: 'status' })).toEqual({ ...usualListing, by: 'status' })
    expect(readListing({ ...usualListing, by: 'colour' })).toBeUndefined()
  })
})

describe('settings as fields', () => {
  it('has one for every key of the schema, with a line on what it does', () => {
    const { corpus, sampler, clustering, ...others } = configurationSchema.shape
    expect(sections.run.map(({ key }) => key)).toEqual(Object.keys(others))
    expect(
      Object.values(sections)
        .flat()
        .filter(({ words }) => words === '')
        .map(({ path }) => path)
    ).toEqual([])
    expect([corpus, sampler, clustering].every((section) => section !== undefined)).toBe(true)
    expect(fieldAt('clustering.alpha')).toMatchObject({ kind: 'number', range: '≥ 1e-9, < 1', unit: 'probability' })
    expect(fieldAt('clustering.resolution')).toMatchObject({ kind: 'number', instead: 'auto', required: false })
    expect(fieldAt('sampler.estimator')).toMatchObject({ kind: 'choice', choices: ['two-chain', 'restricted'] })
    expect(fieldAt('corpus.files')).toMatchObject({ kind: 'list', required: true })
    expect(fieldAt('components')).toMatchObject({ kind: 'list', fallback: 'all' })
  })

  it('takes defaults of the sampler from the preset', () => {
    expect(fallbackOf(fieldAt('sampler.rounds'), 'quick')).toBe(presets.quick.rounds)
    expect(fallbackOf(fieldAt('sampler.rounds'), undefined)).toBe(presets['first-order'].rounds)
    expect(fallbackOf(fieldAt('sampler.draws'), 'paper')).toBe(presets.paper.draws)
    expect(fallbackOf(fieldAt('sampler.draws'), 'all-orders')).toBe(presets['all-orders'].draws)
    expect(fallbackOf(fieldAt('sampler.draws'), undefined)).toBeUndefined()
    expect(fallbackOf(fieldAt('sampler.preset'), 'quick')).toBe('first-order')
    expect(fallbackOf(fieldAt('seed'), 'quick')).toBe(1)
    expect(fallbackOf(fieldAt('threads'), 'quick')).toBeUndefined()
  })

  it('takes defaults of the clustering from the paper preset, and from the schema with others', () => {
    const keys = ['method', 'neighbours', 'minSize', 'whiten', 'alpha', 'resolution']
    const of = (preset: unknown, method?: ClusteringMethod): unknown[] =>
      keys.map((key) => fallbackOf(fieldAt(`clustering.${key}`), preset, method))
    expect(of('paper')).toEqual(['acl', 45, 20, false, 0.001, undefined])
    expect(of('paper', 'communities')).toEqual(['acl', 45, 20, false, undefined, 'auto'])
    for (const preset of [undefined, ...presetNames.filter((name) => name !== 'paper')]) {
      expect(of(preset)).toEqual(['communities', 'auto', 'auto', 'auto', undefined, 'auto'])
      expect(of(preset, 'acl')).toEqual(['communities', 'auto', 'auto', 'auto', 0.001, undefined])
    }
  })

  it('shows of clustering what its method has, its own settings first', () => {
    const keys = (method: ClusteringMethod): string[] => clusteringFields(method).map(({ key }) => key)
    expect(keys('communities').slice(0, 4)).toEqual(['method', 'resolution', 'levels', 'seeds'])
    expect(keys('acl').slice(0, 6)).toEqual(['method', 'alpha', 'epsilon', 'rule', 'maxRejections', 'remaining'])
    const shared = (method: ClusteringMethod): string[] =>
      keys(method).filter((key) => keys(method === 'acl' ? 'communities' : 'acl').includes(key))
    expect(shared('acl')).toEqual(shared('communities'))
    expect(new Set([...keys('acl'), ...keys('communities')])).toEqual(
      new Set(sections.clustering.map(({ key }) => key))
    )
    for (const method of clusteringMethods)
      for (const field of clusteringFields(method)) expect(wordsForMethod(field.words, method), field.key).not.toBe('')
  })

  it('reads numbers, leaves what is none for the check to name, and takes an empty field as the default', () => {
    expect(typedValue(fieldAt('sampler.stepSize'), ' 1e-5 ')).toBe(1e-5)
    expect(typedValue(fieldAt('sampler.stepSize'), 'small')).toBe('small')
    expect(typedValue(fieldAt('sampler.stepSize'), '  ')).toBeUndefined()
  })
})

describe('a draft of a configuration', () => {
  it('is changed at a path, keeps the order of its keys, and loses what is taken away', () => {
    const draft = { model: 'a', sampler: { draws: 5 }, seed: 2 }
    expect(Object.keys(withValue(draft, 'model', 'b'))).toEqual(['model', 'sampler', 'seed'])
    expect(withValue(draft, 'sampler.chains', 2)).toEqual({ model: 'a', sampler: { draws: 5, chains: 2 }, seed: 2 })
    expect(withValue(draft, 'sampler.draws', undefined)).toEqual({ model: 'a', sampler: {}, seed: 2 })
    expect(withValue({ clustering: false }, 'clustering.alpha', 0.1)).toEqual({ clustering: { alpha: 0.1 } })
    expect(valueAt(draft, 'sampler.draws')).toBe(5)
    expect(valueAt({ clustering: false }, 'clustering.alpha')).toBeUndefined()
  })

  it('can be freed of defaults', () => {
    const draft = {
      model: 'a',
      sampler: { preset: 'quick', rounds: presets.quick.rounds, pairs: 3 },
      clustering: false,
      seed: 1
    }
    expect(withoutDefaults(draft, (path) => fallbackAt(path, 'quick'))).toEqual({
      model: 'a',
      sampler: { preset: 'quick', pairs: 3 },
      clustering: false
    })
    const chains = {
      model: 'a',
      sampler: { preset: 'paper', method: 'psgld', draws: presets.paper.draws, chains: 3 },
      clustering: { neighbours: 45, minSize: 'auto', whiten: false },
      seed: 1
    }
    expect(withoutDefaults(chains, (path) => fallbackAt(path, 'paper'))).toEqual({
      model: 'a',
      sampler: { preset: 'paper', chains: 3 },
      clustering: { minSize: 'auto' }
    })
  })

  it('is clustered by another method without the settings of the one before', () => {
    const draft = { model: 'a', clustering: { resolution: 2, neighbours: 20 } }
    expect(withClusteringMethod(draft, 'acl', 'communities')).toEqual({
      draft: { model: 'a', clustering: { method: 'acl', neighbours: 20 } },
      dropped: ['resolution']
    })
    expect(withClusteringMethod({ clustering: { method: 'acl', alpha: 0.1 } }, 'communities', 'communities')).toEqual({
      draft: {},
      dropped: ['alpha']
    })
    expect([
      clusteringMethodOf({}, 'quick'),
      clusteringMethodOf({}, 'paper'),
      clusteringMethodOf({ clustering: { method: 'communities' } }, 'paper')
    ]).toEqual(['communities', 'acl', 'communities'])
  })

  it('keeps a right clustering when another preset clusters by another method', () => {
    const communities = { model: 'm', rows: 'r', clustering: { resolution: 2, neighbours: 20 } }
    const { draft, dropped } = withPreset(communities, 'paper')
    expect({ draft, dropped }).toEqual({
      draft: { model: 'm', rows: 'r', sampler: { preset: 'paper' }, clustering: { neighbours: 20 } },
      dropped: ['resolution']
    })
    expect(checkedConfiguration(draft).issues).toEqual([])
    const chosen = withPreset({ ...communities, clustering: { method: 'acl', alpha: 0.1 } }, 'quick')
    expect([chosen.draft, chosen.dropped]).toEqual([
      { ...communities, sampler: { preset: 'quick' }, clustering: { method: 'acl', alpha: 0.1 } },
      []
    ])
    expect(withPreset({ ...communities, clustering: false }, 'paper').draft).toEqual({
      model: 'm',
      rows: 'r',
      clustering: false,
      sampler: { preset: 'paper' }
    })
  })

  it('comes from JSON, or says what is wrong', () => {
    expect(draftFromText('{"model":"m"}')).toEqual({ draft: { model: 'm' } })
    expect(draftFromText('[1]')).toHaveProperty('problem')
    expect(draftFromText('{')).toHaveProperty('problem')
  })

  it('gives the problems of a place and of what is in it', () => {
    const problems = [
      { path: 'corpus.files[0]', message: 'x' },
      { path: 'corpus', message: 'y' },
      { path: 'corpus.filesystem', message: 'z' }
    ]
    expect(problemsAt(problems, 'corpus.files')).toEqual(['x.'])
  })
})

describe('the plot of resolutions', () => {
  const point = (resolution: number, changes: Partial<ResolutionPoint> = {}): ResolutionPoint => ({
    resolution,
    groups: 10,
    stableGroups: 6,
    stableShare: 0.5,
    error: 0.02,
    nullShare: 0.1,
    detail: 2,
    modularity: 0.5,
    ...changes
  })

  it('goes by the logarithm of resolution, shares up from 0 to 1, and bits on an axis of their own', () => {
    const { xs, share, detail, shares, details, mostDetail } = sweepGeometry(
      [point(1), point(10, { detail: 4 }), point(100)],
      500
    )
    expect(xs[1] - xs[0]).toBeCloseTo(xs[2] - xs[1])
    expect([share(0), share(1), detail(0), detail(mostDetail)]).toEqual([
      shares.bottom,
      shares.top,
      details.bottom,
      details.top
    ])
    expect(mostDetail).toBe(4)
    expect(shares.bottom).toBeLessThan(details.top)
  })

  it('has gaps where chance is not known, no bars without an error, and stands with a single point', () => {
    const geometry = sweepGeometry([point(1), point(2, { nullShare: null, error: null }), point(4), point(8)], 500)
    expect([
      geometry.nullLine.match(/M/g)?.length,
      geometry.nullLine.match(/L/g)?.length,
      geometry.shareLine.match(/L/g)?.length
    ]).toEqual([2, 1, 3])
    expect(geometry.errors.match(/V/g)).toHaveLength(3)
    const alone = sweepGeometry([point(3, { detail: 0 })], 300)
    expect([...alone.xs, alone.detail(0), alone.share(0.5)].every(Number.isFinite)).toBe(true)
  })

  it('has few ticks that are round, finds the nearest point, and knows a resolution but for rounding', () => {
    expect(logTicks(0.7, 90)).toEqual([1, 2, 5, 10, 20, 50])
    expect(logTicks(0.01, 10_000)).toEqual([0.01, 0.1, 1, 10, 100, 1000, 10_000])
    expect([nearestPoint([10, 50, 90], -5), nearestPoint([10, 50, 90], 60), nearestPoint([10, 50, 90], 500)]).toEqual([
      0, 1, 2
    ])
    const points = [point(1), point(Math.SQRT2), point(2)]
    expect([
      pointAt(points, Number(resolutionText(Math.SQRT2))),
      pointAt(points, 1.5),
      pointAt(points, 'auto')
    ]).toEqual([1, -1, -1])
  })

  it('says in words what is known of a point', () => {
    expect(pointWords(point(2))).toBe(
      'resolution 2: 10 clusters, 6 stable; stable share 50 % ± 2, 10 % by chance; 2.00 bits'
    )
    expect(pointWords(point(2, { error: null, nullShare: null }))).toBe(
      'resolution 2: 10 clusters, 6 stable; stable share 50 %; 2.00 bits'
    )
  })
})

describe('components as a grid', () => {
  const all = ['embed', 'head:0.0', 'head:0.1', 'head:1.0', 'head:1.1', 'mlp:0', 'mlp:1', 'unembed']

  it('puts heads and MLPs of a layer in a row', () => {
    expect(componentRows(all)).toEqual({
      heads: 2,
      others: ['embed', 'unembed'],
      layers: [
        { layer: 0, heads: ['head:0.0', 'head:0.1'], mlp: 'mlp:0' },
        { layer: 1, heads: ['head:1.0', 'head:1.1'], mlp: 'mlp:1' }
      ]
    })
    expect(componentRows(['head:3.1']).layers).toEqual([{ layer: 3, heads: [null, 'head:3.1'], mlp: null }])
    expect(componentRows(['group:0.0']).layers).toEqual([{ layer: 0, heads: ['group:0.0'], mlp: null }])
  })

  it('turns some on, then off, in the model’s order', () => {
    expect(toggled(all, 'all', ['mlp:0'])).toEqual(all.filter((name) => name !== 'mlp:0'))
    expect(toggled(all, ['mlp:1'], ['embed', 'mlp:1'])).toEqual(['embed', 'mlp:1'])
    expect(toggled(all, all.slice(1), ['embed'])).toBe('all')
  })
})

describe('traces', () => {
  it('grow by points, and take a point that comes again', () => {
    const traces = Traces.of([
      { component: 'a', chain: 1, losses: Float64Array.of(1, 2), distances: Float64Array.of(0, 1) }
    ])
    traces.add([
      { component: 'a', chain: 0, draw: 300, loss: 5, distance: 2 },
      { component: 'a', chain: 1, draw: 1, loss: 3, distance: 1 }
    ])
    expect(traces.of('a').map(({ chain, length }) => [chain, length])).toEqual([
      [0, 301],
      [1, 2]
    ])
    expect([...traces.of('a')[1].losses]).toEqual([1, 3])
    expect(traces.of('a')[0].losses[299]).toBeNaN()
    expect(traces.draws('a')).toBe(303)
  })

  it('are thinned without losing a peak', () => {
    const values = Float64Array.from({ length: 10_000 }, (_, index) => Math.sin(index / 50))
    values[4321] = 9
    values[8765] = -9
    const kept = keptIndices([values], values.length, 200)
    expect(kept.length).toBeLessThanOrEqual(202)
    expect(kept).toEqual(expect.arrayContaining([0, 4321, 8765, 9999]))
    expect([...kept].sort((a, b) => a - b)).toEqual(kept)
    expect(keptIndices([values], 5, 200)).toEqual([0, 1, 2, 3, 4])
  })

  it('are laid beside each other with gaps where a chain has no value', () => {
    expect(aligned([Float64Array.of(1, NaN, 3), Float64Array.of(4)], 100)).toEqual({
      places: [0, 1, 2],
      values: [
        [1, null, 3],
        [4, null, null]
      ]
    })
  })
})

describe('paths', () => {
  it('are taken apart and put together on both kinds of systems', () => {
    expect([folderOf('/a/b'), folderOf('/a'), folderOf('C:\\x\\y'), folderOf('C:\\x'), folderOf('/a/b/')]).toEqual([
      '/a',
      '/',
      'C:\\x',
      'C:\\',
      '/a'
    ])
    expect([lastPart('/a/b/'), lastPart('C:\\x\\y.json')]).toEqual(['b', 'y.json'])
    expect([joined('/', 'a'), joined('/a', 'b'), joined('C:\\x', 'y')]).toEqual(['/a', '/a/b', 'C:\\x\\y'])
    expect([isAbsolute('/a'), isAbsolute('C:/a'), isAbsolute('a/b')]).toEqual([true, true, false])
    expect([shownPath('/home/me/x', '/home/me'), shownPath('/home/mean', '/home/me'), shownPath('/x', '')]).toEqual([
      '~/x',
      '/home/mean',
      '/x'
    ])
  })

  it('are found by what is typed, beginnings and folders first', () => {
    const entry = (name: string, folder: boolean) => ({
      name,
      path: `/${name}`,
      folder,
      bytes: 0,
      changedAt: '',
      model: false
    })
    expect(
      matching(
        [entry('my-data.txt', false), entry('data.txt', false), entry('old-data', true), entry('x', true)],
        'data'
      ).map(({ name }) => name)
    ).toEqual(['data.txt', 'old-data', 'my-data.txt'])
  })
})

describe('diagnostics', () => {
  const diagnostics = (component: string, changes: Partial<DiagnosticsRecord> = {}): DiagnosticsRecord => ({
    component,
    splitRHat: 1,
    learningCoefficient: 5,
    meanDistance: [1],
    finalDistance: [1, 3],
    meanLoss: [4.5, NaN],
    reliability: 0.9,
    centredReliability: 0.8,
    lossTrace: { first: 4, last: 4, min: 4, max: 4 },
    failedChains: [],
    blocks: null,
    ...changes
  })
  const health = (each: DiagnosticsRecord[], columns: RunHealth['columns'] = [], nBeta = 3): RunHealth => ({
    run: { configuration: { sampler: { method: 'psgld', nBeta } } } as RunHealth['run'],
    initialLoss: 4,
    threshold: 0.5,
    diagnostics: each,
    findings: [],
    columns
  })

  it('are means over living chains, with standard errors beside the spread', () => {
    const [row, other] = healthRows(
      health(
        [diagnostics('a'), diagnostics('b', { centredReliability: 0.1, splitRHat: null })],
        [{ component: 'a', deviation: 0.4, standardError: 0.1 }]
      )
    )
    expect(row).toMatchObject({ lossRise: 0.5, distance: 2, error: 0.25, noisy: false, chains: 2 })
    expect(other).toMatchObject({ error: null, noisy: true })
  })

  it('have no λ̂ at nβ 0, and say why', () => {
    expect(healthRows(health([diagnostics('a')]))[0].learningCoefficient).toBe(5)
    expect(healthRows(health([diagnostics('a')], [], 0))[0].learningCoefficient).toBeNull()
    expect([noCoefficientWords(3), noCoefficientWords(0)]).toEqual([null, expect.stringContaining('nβ 0')])
  })

  it('are sorted with unknown values last, and by the model’s order', () => {
    const rows = healthRows(
      health([
        diagnostics('a', { splitRHat: 1.2 }),
        diagnostics('b', { splitRHat: null }),
        diagnostics('c', { splitRHat: 1.5 })
      ])
    )
    expect(sortedRows(rows, 'rHat', true).map(({ component }) => component)).toEqual(['c', 'a', 'b'])
    expect(sortedRows(rows, 'rHat', false).map(({ component }) => component)).toEqual(['a', 'c', 'b'])
    expect(sortedRows(rows, 'component', true).map(({ component }) => component)).toEqual(['c', 'b', 'a'])
  })

  it('say in words which columns are mostly noise', () => {
    const [good, bad] = [diagnostics('a'), diagnostics('b', { reliability: 0.1 })]
    expect(noiseWords(health([good]))).toMatch(/No column is mostly noise/)
    expect(noiseWords(health([good, bad, diagnostics('c', { reliability: NaN })]))).toMatch(
      /2 of 3 columns are mostly noise .*: b and c\. .* these columns/
    )
    expect(noiseWords(health([bad, diagnostics('full')]))).toMatch(/All 1 columns/)
  })
})

describe('the heat map', () => {
  const map = {
    clusters: Int32Array.of(0, 1, -1),
    sizes: Int32Array.of(5, 9, 100),
    components: ['a', 'b'],
    values: Float32Array.of(1, 2, -3, 0, 0, 0.5)
  }

  it('has rows by size with what is left over last, or by a column', () => {
    expect([...orderedRows(map, 'size')]).toEqual([1, 0, 2])
    expect([...orderedRows(map, { column: 0, descending: true })]).toEqual([0, 2, 1])
    expect([...orderedRows(map, { column: 1, descending: false })]).toEqual([1, 2, 0])
  })

  it('says a cell in words, and leaves room for extremes', () => {
    expect(cellWords('a', -2)).toBe('a: −2.00 standard deviations from the mean of all tokens, strongly expressed')
    expect(cellWords('a', 0.1)).toMatch(/about average/)
    expect(cellWords('a', NaN)).toBe('a: no value')
    expect(fullColour(Float32Array.from({ length: 1000 }, (_, index) => (index === 0 ? 500 : 2)))).toBe(2)
    expect(fullColour(new Float32Array(0))).toBe(1)
  })
})

describe('an estimate', () => {
  const estimate: Estimate = {
    tokens: 1,
    components: 1,
    seconds: { prepare: 1, sample: 1, neighbours: 1, cluster: 1 },
    memoryBytes: 1e9,
    diskBytes: 1e9,
    machineMemoryBytes: 1e10,
    diskFreeBytes: 1e11,
    lossTokens: 1,
    gradientTokens: 1,
    basis: ''
  }

  it('warns where the machine is too small, nearly so, or long at it', () => {
    expect(estimateWarnings(estimate)).toEqual([])
    expect(estimateWarnings({ ...estimate, memoryBytes: 2e10 }).map(({ level }) => level)).toEqual(['bad'])
    expect(estimateWarnings({ ...estimate, memoryBytes: 8e9, diskBytes: 2e11 }).map(({ level }) => level)).toEqual([
      'warn',
      'bad'
    ])
    expect(estimateWarnings({ ...estimate, seconds: { ...estimate.seconds, sample: 2e5 } })[0].words).toMatch(
      /Takes 2 d/
    )
  })
})

describe('a run at work in words', () => {
  it('says where it is and what happened', () => {
    expect(progressWords({ stage: 'sample', done: 0.5, total: 1, unit: '', secondsLeft: 60 })).toBe(
      'sampling 50 %, 1 min 00 s left'
    )
    expect(progressWords({ stage: 'cluster', done: 9, total: 0, unit: 'attempts' })).toBe('clustering')
    expect(placeWords({ stage: 'prepare', done: 1.25, total: 3, unit: 'MB of text' })).toBe('1.3 of 3 MB of text')
    expect(
      placeWords({
        stage: 'sample',
        done: 0,
        total: 1,
        unit: '',
        component: 'mlp:0',
        chain: 2,
        chains: 4,
        draw: 3,
        draws: 10
      })
    ).toBe('mlp:0, chain 2 of 4, draw 3 of 10')
    expect(eventWords({ type: 'finished', stage: 'prepare', seconds: 5, detail: '10 rows.' })).toBe(
      'Prepare finished in 5 s: 10 rows.'
    )
    expect(eventWords({ type: 'progress', progress: { stage: 'prepare', done: 0, total: 1, unit: '' } })).toBeNull()
  })
})
