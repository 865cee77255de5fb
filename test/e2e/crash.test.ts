import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { writeSyntheticWorkspace } from '../bench/synthetic-workspace'
import { childrenOf, clusterRows, deskForEach, describeInBrowser, openServed, openShell, pageErrors } from './harness'
import type { Opened, OpenedShell, Place } from './harness'
import { startStudy, writeStudy } from './study'

/**
 * Of runs that something happens to while they sample: of lower priority than what does it, they are far from their
 * end then.
 */
const draws = 20

/** What the terminal says of the only run of a workspace that nobody has open. */
const statusOf = ({ workspace, environment }: Place): unknown => {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [join(projectRoot, 'out', 'main', 'cli.js'), 'runs', '--json', '--workspace', workspace],
    { env: environment, encoding: 'utf8' }
  )
  expect(status, stderr).toBe(0)
  const { runs } = JSON.parse(stdout) as { readonly runs: readonly { readonly status: string }[] }
  expect(runs).toHaveLength(1)
  return runs[0].status
}

const isDrawing = (page: Page): Promise<void> => page.getByRole('img', { name: /^Loss of each chain of/ }).waitFor()
const isFinished = (page: Page): Promise<void> => page.getByText('Run finished').waitFor()

describeInBrowser('what goes wrong in the middle', () => {
  const desk = deskForEach({
    prepare: async (made) => {
      await writeStudy(made.folder)
      return { ...made, environment: { ...made.environment, SPECTROSCOPE_CHECKPOINT_SECONDS: '1' } }
    },
    end: ({ process: program }) => {
      program.kill('SIGKILL')
      return once(program, 'exit')
    }
  })

  it('is told of when the compute process is killed, and the run goes on and finishes', async () => {
    desk.opened = await openServed(desk.browser, desk.place)
    const { page } = desk.opened
    await startStudy(page, desk.place.folder, 'killed', draws)
    await isDrawing(page)
    const [pid] = childrenOf(desk.opened.process, 'compute')
    process.kill(pid, 'SIGKILL')
    await page
      .getByText(/The compute process died .*a new one continues from the last checkpoint/)
      .first()
      .waitFor()
    await isFinished(page)
    expect(pageErrors.get(page)).toEqual([])
    expect(await desk.opened.close()).toBe(0)
    expect(statusOf(desk.place)).toBe('finished')
  })

  const compute = (shell: OpenedShell, signal: 'SIGSTOP' | 'SIGCONT'): void =>
    childrenOf(shell.process, 'compute').forEach((pid) => process.kill(pid, signal))
  /**
   * Asks the window to close, of a run whose compute process is stopped so that it is at work still when that is
   * answered.
   */
  const asking = async (shell: OpenedShell): Promise<Locator> => {
    compute(shell, 'SIGSTOP')
    expect(await shell.closeWindow()).toBe(false)
    return shell.page.getByRole('dialog', { name: '1 run is still running' })
  }
  const answering = (dialog: Locator, answer: string): Promise<void> =>
    dialog.getByRole('button', { name: answer, exact: true }).click()

  it('asks before a window closes while a run is at work: stays, or goes on without the window and ends with the run', async () => {
    const shell = await openShell(desk.place)
    desk.opened = shell
    await startStudy(shell.page, desk.place.folder, 'going on', draws)
    await isDrawing(shell.page)
    await answering(await asking(shell), 'Cancel')
    await shell.page.getByRole('dialog').waitFor({ state: 'detached' })
    await shell.page.getByRole('button', { name: /^Pause/ }).waitFor()

    const gone = shell.page.waitForEvent('close')
    const ended = once(shell.process, 'exit')
    await answering(await asking(shell), 'Keep running')
    await gone
    expect(shell.process.exitCode).toBeNull()
    compute(shell, 'SIGCONT')
    expect(await ended).toEqual([0, null])
    expect(statusOf(desk.place)).toBe('finished')
  })

  it('leaves a checkpoint when the window is closed with one, and the run goes on from it', async () => {
    const shell = await openShell(desk.place)
    desk.opened = shell
    await startStudy(shell.page, desk.place.folder, 'later', draws)
    await isDrawing(shell.page)
    const ended = once(shell.process, 'exit')
    const asked = await asking(shell)
    compute(shell, 'SIGCONT')
    await answering(asked, 'Save checkpoint and close')
    expect(await ended).toEqual([0, null])
    expect(statusOf(desk.place)).toBe('interrupted')

    const again = await openShell(desk.place)
    desk.opened = again
    const run = again.page.getByRole('row', { name: /later.*paused/ })
    await run.getByRole('button', { name: 'Resume: later' }).click()
    await run
      .or(again.page.getByRole('row', { name: /^later/ }))
      .getByRole('button', { name: 'later', exact: true })
      .click()
    await isFinished(again.page)
    await again.page.getByText('Resumed from checkpoint.').waitFor()
    expect(await again.close()).toBe(0)
  })

  /**
   * A window on a workspace of 20 clusters, with one label saved and another one typed when the server had been
   * killed.
   */
  const labelledWhenGone = async (): Promise<Opened> => {
    await writeSyntheticWorkspace(desk.place.workspace, { tokens: 2000, clusters: 20 })
    const opened = await openServed(desk.browser, desk.place)
    desk.opened = opened
    const { page, process: program } = opened
    const name = async (words: string): Promise<void> => {
      await page.keyboard.press('n')
      await page.keyboard.type(words)
      await page.keyboard.press('Enter')
    }
    await page.getByRole('button', { name: 'Explore', exact: true }).first().click()
    await clusterRows(page).first().waitFor()
    await name('saved')
    await page.getByText('1 of 20 labelled').waitFor()
    await page.getByText(/^saving \d+…$/).waitFor({ state: 'detached' })

    program.kill('SIGKILL')
    for (const pid of childrenOf(program, 'store')) process.kill(pid, 'SIGKILL')
    await page.getByRole('alert').filter({ hasText: 'Connection to the program lost' }).waitFor()
    await name('not yet saved')
    await page.getByText('1 label will be saved once the connection is back').waitFor()
    await clusterRows(page).filter({ hasText: 'not yet saved' }).waitFor()
    if (program.exitCode === null && program.signalCode === null) await once(program, 'exit')
    return opened
  }

  const bothAreThere = async (page: Page): Promise<void> => {
    await page.getByText('1 unsent label saved.').waitFor()
    await page.getByRole('button', { name: 'Explore', exact: true }).first().click()
    await page.getByText('2 of 20 labelled').waitFor()
    await clusterRows(page).filter({ hasText: 'not yet saved' }).waitFor()
  }

  it('keeps labels when the server is killed, says so, and sends them when it is there again', async () => {
    const { page } = await labelledWhenGone()
    const context = page.context()
    const { port } = new URL(page.url())
    await page.close({ runBeforeUnload: false })
    desk.opened = await openServed(context, desk.place, '--port', port)
    await bothAreThere(desk.opened.page)
    expect(await desk.opened.close()).toBe(0)
  })

  it('gives unsent labels as a file that the window of another address takes when it is dropped there', async () => {
    const { page } = await labelledWhenGone()
    const given = page.waitForEvent('download')
    await page.getByRole('button', { name: 'save as a file' }).click()
    const text = readFileSync(await (await given).path(), 'utf8')
    await page.context().close()

    desk.opened = await openServed(desk.browser, desk.place)
    const there = desk.opened.page
    await there.getByRole('row', { name: /synthetic/ }).waitFor()
    const dataTransfer = await there.evaluateHandle((content) => {
      const carried = new DataTransfer()
      carried.items.add(new File([content], 'unsent-labels.json', { type: 'application/json' }))
      return carried
    }, text)
    await there.getByRole('main').dispatchEvent('drop', { dataTransfer })
    await bothAreThere(there)
    expect(await desk.opened.close()).toBe(0)
  })
})
