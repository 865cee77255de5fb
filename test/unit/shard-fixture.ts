import type { ShardSet } from '../../main/pipeline/shard-set'
import { smallInput } from './sampling-fake'

/** A set of shards, as its file says; of no shards but those given. */
export const shardSet = (changes: Partial<ShardSet> = {}): ShardSet => ({
  format: 'spectroscope-shards',
  version: 2,
  id: 'abc',
  createdAt: '2026-01-01T00:00:00.000Z',
  program: '0.1.0',
  configuration: {
    model: 'model',
    rows: 'rows.json',
    components: 'all',
    sampler: smallInput().sampler,
    clustering: false,
    seed: 1,
    engine: 'auto'
  },
  baseFolder: '/somewhere',
  model: { folder: 'model', weights: null, hash: 'm' },
  tokenizerHash: null,
  studyHash: 's',
  engine: { name: 'reference', device: 'CPU', precision: 'float64', version: '1' },
  components: ['mlp:1'],
  tokens: 8,
  threads: 3,
  shards: [],
  ...changes
})
