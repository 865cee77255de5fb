import { clusteringSchema, suitClustering, parseConfiguration } from '../../preload/configuration'
import { patternNames } from '../../preload/contract-explore'
import { leftoverCluster } from '../../preload/records'
import type {
  ClusteringDescription,
  LevelDescription,
  DiagnosticsRecord,
  NewClustering,
  StudyRecord
} from '../../preload/records'
import { openWorkspace } from '../../main/store/store'
import type { RunWriter } from '../../main/store/store'
import { uniforms } from '../tiny-model'

export interface SyntheticSize {
  /** Studied tokens; rounded up to whole rows. */
  readonly tokens: number
  readonly clusters: number
  readonly components?: number
  readonly rowLength?: number
  /** Neighbours of each token. */
  readonly k?: number
  readonly name?: string
}

export interface SyntheticWorkspace {
  readonly folder: string
  readonly run: string
  readonly clustering: number
  readonly tokens: number
}

const subsets = [
  'arxiv',
  'books',
  'code',
  'congress',
  'dm mathematics',
  'europarl',
  'forums',
  'github',
  'law',
  'mail',
  'medicine',
  'patents',
  'subtitles',
  'web',
  'wikipedia'
]
const vocabularySize = 20_000
/** Share of tokens in no cluster. */
const mainBody = 0.3

type Random = () => number

const normal = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** Draws indices with shares that fall off as 1 / (index + shift)^exponent. */
const powerLaw = (count: number, exponent: number, shift: number, random: Random): (() => number) => {
  const ends = new Float64Array(count)
  let sum = 0
  for (let i = 0; i < count; i++) ends[i] = sum += (i + shift) ** -exponent
  return () => {
    const at = random() * sum
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (ends[middle] > at) high = middle
      else low = middle + 1
    }
    return low
  }
}

const special = [
  '\n',
  '\n\n',
  ' ',
  '  ',
  '\t',
  '.',
  ',',
  ';',
  ':',
  '"',
  "'",
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  '<',
  '>',
  '/',
  '=',
  '+',
  '-',
  '*',
  '&',
  '|',
  '\\',
  '\u0001',
  '\u00a0',
  '…',
  '“',
  '”',
  '😀',
  'é',
  'ß',
  '数',
  '据'
]
const syllables = [
  'ba',
  'con',
  'de',
  'er',
  'fi',
  'gra',
  'ho',
  'in',
  'ja',
  'ke',
  'li',
  'ment',
  'no',
  'or',
  'pre',
  'qui',
  're',
  'sta',
  'tion',
  'un',
  'ver',
  'wo',
  'ex',
  'ly',
  'za'
]

/** Text of a token id: marks, digits and words, these mostly with a space before them. */
export const syntheticText = (id: number): string => {
  if (id < special.length) return special[id]
  if (id % 23 === 0) return String(id % 1000)
  let word = ''
  for (let rest = id; rest > 0; rest = Math.floor(rest / syllables.length)) word += syllables[rest % syllables.length]
  if (id % 11 === 0) word = word.charAt(0).toUpperCase() + word.slice(1)
  return id % 4 === 0 ? word : ` ${word}`
}

const patternBits = (text: string): number =>
  patternNames.reduce((bits, name, bit) => {
    const shown: Partial<Record<typeof name, boolean>> = {
      'word-start': /^ \p{L}/u.test(text),
      'word-part': /^\p{L}/u.test(text),
      'line-end': text.includes('\n'),
      digit: /^\d+$/.test(text),
      punctuation: /^[\p{P}\p{S}]+$/u.test(text),
      uppercase: /\p{Lu}/u.test(text),
      whitespace: /^\s+$/u.test(text)
    }
    return shown[name] === true ? bits | (1 << bit) : bits
  }, 0)

interface Drawn {
  readonly study: StudyRecord
  readonly ids: Int32Array
  /** Cluster of each token, -1 for the main body. */
  readonly membership: Int32Array
  /** Members of each group, ascending; the main body last. */
  readonly groups: readonly Int32Array[]
}

/** Rows of Zipf tokens; each cluster has its favourite tokens and a subset that most of its tokens come from. */
const drawStudy = (tokens: number, clusters: number, rowLength: number, random: Random): Drawn => {
  const rows = Math.ceil(tokens / (rowLength - 1))
  const count = rows * (rowLength - 1)
  const anyId = powerLaw(vocabularySize, 1.05, 2.7, random)
  const anyCluster = powerLaw(clusters, 0.8, 3, random)
  const favourites = Int32Array.from({ length: clusters * 3 }, anyId)
  const membership = new Int32Array(count)
  const ids = new Int32Array(count)
  const ofRow = Array.from({ length: rows }, (_, row) => (row * 7 + Math.floor(random() * 3)) % subsets.length)
  const clusterFor = (subset: number): number => {
    const drawn = anyCluster()
    if (random() < 0.4) return drawn
    const near = drawn - (drawn % subsets.length) + subset
    return near < clusters ? near : drawn
  }
  for (let token = 0; token < count; token++) {
    const first = token < clusters
    const cluster = first
      ? token
      : random() < mainBody
        ? leftoverCluster
        : clusterFor(ofRow[Math.floor(token / (rowLength - 1))])
    membership[token] = cluster
    ids[token] =
      cluster !== leftoverCluster && random() < 0.7 ? favourites[cluster * 3 + Math.floor(3 * random() ** 2)] : anyId()
  }
  const probe = Array.from({ length: rows }, (_, row) => {
    const all = new Int32Array(rowLength)
    all[0] = anyId()
    all.set(ids.subarray(row * (rowLength - 1), (row + 1) * (rowLength - 1)), 1)
    return all
  })
  const sizes = new Int32Array(clusters + 1)
  for (const cluster of membership) sizes[cluster === leftoverCluster ? clusters : cluster]++
  const groups = Array.from(sizes, (size) => new Int32Array(size))
  const filled = new Int32Array(clusters + 1)
  membership.forEach((cluster, token) => {
    const group = cluster === leftoverCluster ? clusters : cluster
    groups[group][filled[group]++] = token
  })
  const targets = Int32Array.from({ length: rowLength - 1 }, (_, i) => i + 1)
  const study: StudyRecord = {
    sampling: probe.slice(0, 16),
    observation: probe.slice(0, 8),
    probe,
    targets: probe.map(() => targets),
    provenance: ofRow.map((subset, row) => ({
      subset: subsets[subset],
      segments: [{ start: 0, document: row >> 1, offset: (row & 1) * rowLength }]
    })),
    documents: Array.from({ length: (rows + 1) >> 1 }, (_, id) => ({
      id,
      file: `part-${id % 8}.jsonl`,
      record: id >> 3,
      subset: subsets[ofRow[2 * id]]
    })),
    hash: `synthetic-${count}-${clusters}-${rowLength}`
  }
  return { study, ids, membership, groups }
}

/** χ̂: a mode that all columns share, a centre of each cluster, noise. */
const drawMatrix = ({ membership, groups }: Drawn, width: number, random: Random): Float32Array => {
  const centres = Float32Array.from({ length: groups.length * width }, () => (random() < 0.2 ? normal(random) : 0))
  const noise = Float32Array.from({ length: 65_521 }, () => normal(random))
  const matrix = new Float32Array(membership.length * width)
  for (let token = 0, at = 0; token < membership.length; token++) {
    const centre = (membership[token] === leftoverCluster ? groups.length - 1 : membership[token]) * width
    const shared = noise[(token * 7919) % noise.length]
    for (let column = 0; column < width; column++, at++)
      matrix[at] =
        1e-3 * (1 + column / width) * (shared + centres[centre + column] + 0.5 * noise[(at * 31 + 17) % noise.length])
  }
  return matrix
}

const componentNames = (count: number): string[] =>
  Array.from({ length: count }, (_, i) =>
    i === 0
      ? 'embed'
      : i === count - 1
        ? 'unembed'
        : i % 5 === 0
          ? `mlp:${i / 5 - 1}`
          : `head:${Math.floor(i / 5)}.${(i % 5) - 1}`
  )

const diagnosticOf = (component: string, i: number): DiagnosticsRecord => ({
  component,
  splitRHat: 1 + (i % 7) / 50,
  learningCoefficient: 10 + i,
  meanDistance: [1, 1.1],
  finalDistance: [1.2, 1.3],
  meanLoss: [2.5, 2.6],
  reliability: 0.95 - (i % 9) / 20,
  centredReliability: 0.9 - (i % 9) / 20,
  lossTrace: { first: 2.4, last: 2.6, min: 2.3, max: 2.8 },
  failedChains: [],
  blocks: null
})

const saveSampling = async (
  writer: RunWriter,
  matrix: Float32Array,
  components: readonly string[],
  random: Random
): Promise<void> => {
  const block = 32_768 * components.length
  await writer.beginSusceptibilities(components, 2.4)
  for (let at = 0; at < matrix.length; at += block) {
    const values = matrix.subarray(at, at + block)
    await writer.appendSusceptibilities(
      values,
      values.map((value) => 1e-4 + Math.abs(value) / 5)
    )
  }
  await writer.saveDiagnostics([...components, 'full'].map(diagnosticOf))
  await writer.saveTraces(
    [...components, 'full'].flatMap((component) =>
      [0, 1].map((chain) => ({
        component,
        chain,
        losses: Float64Array.from(
          { length: 40 },
          (_, draw) => 2.4 + 0.2 * (1 - Math.exp(-draw / 8)) + 0.01 * normal(random)
        ),
        distances: Float64Array.from({ length: 40 }, (_, draw) => 1 - Math.exp(-draw / 10))
      }))
    )
  )
}

/** Neighbours drawn from the token's own group, now and then from another; distances ascending. */
const saveNeighbours = async (
  writer: RunWriter,
  { membership, groups }: Drawn,
  k: number,
  random: Random
): Promise<void> => {
  await writer.beginNeighbours(k, 0)
  const block = 65_536
  for (let first = 0; first < membership.length; first += block) {
    const count = Math.min(block, membership.length - first)
    const indices = new Int32Array(count * k)
    const distances = new Float32Array(count * k)
    for (let i = 0; i < count; i++) {
      const token = first + i
      const own = groups[membership[token] === leftoverCluster ? groups.length - 1 : membership[token]]
      const nearest = new Set<number>()
      for (let tries = 0; nearest.size < k; tries++) {
        const drawn =
          tries < 3 * k && random() < 0.9
            ? own[Math.floor(random() * own.length)]
            : Math.floor(random() * membership.length)
        if (drawn !== token) nearest.add(drawn)
      }
      let distance = 0.5 + random()
      let at = i * k
      for (const neighbour of nearest) {
        indices[at] = neighbour
        distances[at++] = distance += 0.1 * random()
      }
    }
    await writer.appendNeighbours(indices, distances)
  }
}

const clusteringOf = ({ groups, membership }: Drawn, k: number, random: Random): NewClustering => ({
  name: `k = ${k}`,
  configuration: suitClustering(
    clusteringSchema.parse({ method: 'acl', neighbours: k, minSize: 20, whiten: false }),
    membership.length
  ),
  seed: 1,
  ending: '200 rejections in a row',
  attempts: 2 * groups.length,
  edges: Math.round(0.8 * k * membership.length),
  volume: 0.7 * k * membership.length,
  clusters: groups.slice(0, -1).map((members, order) => {
    const conductance = 0.05 + 0.6 * random()
    const seed = members[Math.floor(random() * members.length)]
    const own = { order, seed, members, conductance, conductanceWhenCut: conductance * (0.7 + 0.3 * random()) }
    return { ...own, kind: 'cluster', parent: null, stability: null, strengths: null }
  }),
  leftover: { kind: 'main body', members: groups[groups.length - 1] },
  stability: null,
  neighbourRecall: null,
  modularity: null,
  sweep: []
})

const profilesOf = (
  groups: readonly Int32Array[],
  matrix: Float32Array,
  width: number
): { means: Float32Array; standardDeviations: Float32Array } => {
  const means = new Float32Array(groups.length * width)
  const standardDeviations = new Float32Array(groups.length * width)
  groups.forEach((members, group) => {
    for (let column = 0; column < width; column++) {
      let [sum, squares] = [0, 0]
      for (const token of members) {
        const value = matrix[token * width + column]
        sum += value
        squares += value * value
      }
      const mean = sum / members.length
      means[group * width + column] = mean
      standardDeviations[group * width + column] = Math.sqrt(Math.max(0, squares / members.length - mean * mean))
    }
  })
  return { means, standardDeviations }
}

/** A description with true means, deviations and patterns; boundaries, edges and places are drawn. */
const describe = (
  { membership, groups: all, ids }: Drawn,
  matrix: Float32Array,
  width: number,
  random: Random
): ClusteringDescription => {
  const groups = all.filter(({ length }) => length > 0)
  const numbers = Int32Array.from(groups, (_, group) => (group < all.length - 1 ? group : leftoverCluster))
  const { means, standardDeviations } = profilesOf(groups, matrix, width)
  const centralPlace = new Int32Array(membership.length)
  groups.forEach((members, group) => {
    const distances = Float64Array.from(members, (token) => {
      let sum = 0
      for (let column = 0; column < width; column++)
        sum += (matrix[token * width + column] - means[group * width + column]) ** 2
      return sum
    })
    Int32Array.from(members.keys())
      .sort((a, b) => distances[a] - distances[b] || a - b)
      .forEach((member, place) => (centralPlace[members[member]] = place))
  })
  const positions = Float32Array.from({ length: 2 * groups.length }, () => 100 * normal(random))
  const near = (group: number): number =>
    (group + 1 + Math.floor(random() ** 2 * Math.min(40, groups.length - 1))) % groups.length
  const pairs = new Map<string, [number, number]>()
  for (let group = 0; group < groups.length && groups.length > 1; group++) {
    for (let edge = 0; edge < 6; edge++) {
      const [from, to] = [numbers[group], numbers[near(group)]].sort((a, b) => a - b)
      if (from !== to) pairs.set(`${from} ${to}`, [from, to])
    }
  }
  const bits = Array.from({ length: vocabularySize }, (_, id) => patternBits(syntheticText(id)))
  const level: LevelDescription = {
    kind: 'cluster',
    membership,
    caught: new Uint8Array(membership.length),
    rules: groups.map(() => []),
    centralPlace,
    boundary: Float32Array.from(membership, () => random() ** 2),
    toward: membership.map((cluster) =>
      groups.length === 1 ? -2 : numbers[near(cluster === leftoverCluster ? groups.length - 1 : cluster)]
    ),
    groups: numbers,
    means,
    standardDeviations,
    positions,
    edges: {
      from: Int32Array.from(pairs.values(), ([from]) => from),
      to: Int32Array.from(pairs.values(), ([, to]) => to),
      weights: Float64Array.from(pairs.values(), () => -10 * Math.log(1 - random()))
    }
  }
  return { patterns: ids.map((id) => bits[id]), levels: [level] }
}

const layOut = (
  { membership, groups }: Drawn,
  { levels: [{ positions }] }: ClusteringDescription,
  random: Random
): Float32Array => {
  const places = new Float32Array(2 * membership.length)
  membership.forEach((cluster, token) => {
    const group = cluster === leftoverCluster ? groups.length - 1 : cluster
    const spread = cluster === leftoverCluster ? 60 : Math.sqrt(groups[group].length) / 4
    for (let axis = 0; axis < 2; axis++)
      places[2 * token + axis] = positions[2 * group + axis] + spread * normal(random)
  })
  return places
}

/**
 * Writes a workspace with one finished run of that size, through the store's own writers: clusters of power-law sizes
 * with favourite tokens and subsets, Zipf tokens, a matrix, neighbours, a clustering with its description, a layout.
 * The same sizes give the same data.
 */
export const writeSyntheticWorkspace = async (
  folder: string,
  { tokens, clusters, components: width = 32, rowLength = 128, k = 15, name = 'synthetic' }: SyntheticSize
): Promise<SyntheticWorkspace> => {
  const random = uniforms(tokens + clusters)
  const drawn = drawStudy(tokens, clusters, rowLength, random)
  const matrix = drawMatrix(drawn, width, random)
  const workspace = await openWorkspace(folder, { create: true })
  try {
    const configuration = parseConfiguration(
      { model: 'synthetic-model', rows: 'rows.json', sampler: { method: 'psgld' }, clustering: { neighbours: k } },
      'configuration'
    )
    const { id: run } = await workspace.createRun({
      name,
      configuration,
      baseFolder: folder,
      provenance: { seed: 1, studyHash: drawn.study.hash }
    })
    await workspace.transaction(run, async (writer) => {
      await writer.saveStudy(drawn.study, syntheticText)
      await writer.completeStage({ stage: 'prepare', seconds: 1 })
    })
    await workspace.transaction(run, async (writer) => {
      await saveSampling(writer, matrix, componentNames(width), random)
      await writer.completeStage({ stage: 'sample', seconds: 1 })
    })
    await workspace.transaction(run, async (writer) => {
      await saveNeighbours(writer, drawn, k, random)
      await writer.completeStage({ stage: 'neighbours', seconds: 1 })
    })
    const clustering = await workspace.transaction(run, async (writer) => {
      const saved = await writer.saveClustering(clusteringOf(drawn, k, random))
      await writer.completeStage({ stage: 'cluster', seconds: 1 })
      return saved.number
    })
    const description = describe(drawn, matrix, width, random)
    await workspace.saveDescription(run, clustering, description)
    await workspace.saveLayout(run, false, {
      method: 'drawn at random around clusters',
      positions: layOut(drawn, description, random)
    })
    const now = new Date().toISOString()
    await workspace.updateRun(run, { status: 'finished', stage: null, startedAt: now, finishedAt: now })
    return { folder, run, clustering, tokens: drawn.membership.length }
  } finally {
    await workspace.close()
  }
}
