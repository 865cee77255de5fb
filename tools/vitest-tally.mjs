/**
 * Ends a test run with one line: 'N passed, N failed, N skipped'. Files that could not be loaded and errors outside
 * tests count as failed.
 */
export default class Tally {
  /**
   * @param {readonly import('vitest/node').TestModule[]} modules
   * @param {readonly unknown[]} unhandled
   */
  onTestRunEnd(modules, unhandled) {
    const states = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state))
    /** @param {string} state */
    const count = (state) => states.filter((each) => each === state).length
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()])
    const broken = suites.filter((suite) => suite.errors().length > 0).length + unhandled.length
    process.once('exit', () =>
      process.stdout.write(
        `${count('passed')} passed, ${count('failed') + broken} failed, ${count('skipped') + count('pending')} ` +
          `skipped\n`
      )
    )
  }
}
