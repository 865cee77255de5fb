import { relative } from 'node:path'
import { BaseSequencer } from 'vitest/node'

/** Files of test/ that take longest, the longest first; `slurm-nodes` waits for daemons most of its time. */
const longest = [
  'crash/slurm-nodes',
  'e2e/labelling',
  'e2e/crash',
  'e2e/person',
  'crash/blocks',
  'e2e/window',
  'crash/interruption',
  'golden/blocks',
  'unit/workbench',
  'e2e/views',
  'crash/cluster-shards',
  'crash/shards',
  'crash/sampling',
  'e2e/structure',
  'e2e/rounds',
  'e2e/packaging'
]

/**
 * Folders of test/, by how long their slowest files take. A run ends with its last file, so short files should start
 * last.
 */
const folders = ['e2e', 'crash', 'golden', 'unit']

/**
 * Starts the longest files first, then those of the folders in that order; within one as vitest would, which knows of
 * earlier runs here how long each took.
 */
export default class LongestFirst extends BaseSequencer {
  /**
   * @override
   * @param {import('vitest/node').TestSpecification[]} files
   */
  async sort(files) {
    const rank = (/** @type {import('vitest/node').TestSpecification} */ { moduleId }) => {
      const [, folder, ...rest] = relative(this.ctx.config.root, moduleId).split(/[\\/]/)
      const place = longest.indexOf([folder, ...rest].join('/').replace(/\.test\.ts$/, ''))
      return place === -1 ? longest.length + folders.indexOf(folder) : place
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}
