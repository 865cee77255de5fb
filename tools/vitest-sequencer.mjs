import { relative } from 'node:path'
import { BaseSequencer } from 'vitest/node'

/**
 * Folders of test/, by how long their longest files take: those that start last should be short, as the run ends with
 * the last of them.
 */
const folders = ['e2e', 'crash', 'golden', 'unit']

/**
 * Starts files of the folders in that order; within one as vitest would, which knows of earlier runs here how long
 * each took.
 */
export default class LongestFirst extends BaseSequencer {
  /**
   * @override
   * @param {import('vitest/node').TestSpecification[]} files
   */
  async sort(files) {
    const rank = (/** @type {import('vitest/node').TestSpecification} */ { moduleId }) =>
      folders.indexOf(relative(this.ctx.config.root, moduleId).split(/[\\/]/)[1])
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}
