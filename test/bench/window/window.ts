import { cpSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import type { Browser, Page } from 'playwright-core'
import { migrations } from '../../../main/store/schema'
import { childrenOf, executablePath, launchBrowser, makePlace, openServed } from '../../e2e/harness'
import type { Opened, Place } from '../../e2e/harness'
import { writeSyntheticWorkspace } from '../synthetic-workspace'
import { installProbe } from './probe'
import type { Waited } from './probe'

interface Size {
  readonly tokens: number
  readonly clusters: number
}

// ── What is printed ──────────────────────────────────────────────────────────────────────────────────────────────

const count = (value: number): string => value.toLocaleString('en')
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`
const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))]
const spread = (values: readonly number[]): string =>
  `median ${ms(quantile(values, 0.5))}, p95 ${ms(quantile(values, 0.95))}, max ${ms(Math.max(...values))} ` +
  `(${values.length})`
const say = (what: string, words: string): void => console.log(`  ${what.padEnd(58)} ${words}`)
const head = (words: string): void =>
  console.log(
    `\n${words}   [load ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')} on ${availableParallelism()} cores]`
  )

// ── Workspaces ───────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A place with a copy of a synthetic workspace, which is made when it is first asked for and kept in the system's
 * folder for temporary files.
 */
const placeOf = async ({ tokens, clusters }: Size): Promise<Place> => {
  const kept = join(
    tmpdir(),
    `spectroscope-bench-${tokens}-${clusters}-schema-${migrations[migrations.length - 1].version}`
  )
  if (!existsSync(kept)) {
    console.log(`\nWriting a workspace of ${count(tokens)} tokens in ${count(clusters)} clusters to ${kept} …`)
    const part = `${kept}.part`
    rmSync(part, { recursive: true, force: true })
    await writeSyntheticWorkspace(part, { tokens, clusters })
    renameSync(part, kept)
  }
  const place = makePlace()
  cpSync(kept, place.workspace, { recursive: true })
  return place
}

// ── The window ───────────────────────────────────────────────────────────────────────────────────────────────────

const current = '[role=listbox][aria-label=Clusters] .row.current'
const row = '[id^="contexts-0-"]'

/** Waits until nothing is asked for or drawn any more: all there was to read ahead has been read. */
const untilCalm = (page: Page): Promise<void> => page.waitForTimeout(1500)

const explore = (page: Page): Promise<void> =>
  page.getByRole('button', { name: 'Explore', exact: true }).first().click()

interface Opening {
  readonly runs: number
  readonly list: number
  readonly gallery: number
  readonly graph: number
}

/** Does something once the page waits for what comes of it; returns that. */
const awaiting = async <T, A>(
  page: Page,
  wait: (given: A) => Promise<T>,
  given: A,
  act: () => Promise<unknown>
): Promise<T> => {
  await page.evaluate(
    `window.awaited = (${String(wait)})(${JSON.stringify(given)}); window.awaited.catch(() => undefined); null`
  )
  await act()
  return page.evaluate(() => window.awaited) as Promise<T>
}
const untilSwitched = (page: Page, act: () => Promise<unknown>): Promise<Waited> =>
  awaiting(page, () => window.probe.untilSwitched(), null, act)

/**
 * Milliseconds from the navigation until the list of runs is there; then from the click on Explore until each pane
 * shows.
 */
const measureOpening = async (page: Page, points: number, navigate: () => Promise<unknown>): Promise<Opening> => {
  await navigate()
  const runs = await page.evaluate(() => window.probe.untilShown('button'))
  await page.getByRole('button', { name: 'Explore', exact: true }).first().waitFor()
  const [list, gallery, graph] = await awaiting(
    page,
    async ([list, gallery, least]: readonly [string, string, number]) => {
      const [clicked, ...shown] = await Promise.all([
        new Promise<number>((resolve) =>
          addEventListener('click', ({ timeStamp }) => resolve(timeStamp), { capture: true, once: true })
        ),
        window.probe.untilShown(list),
        window.probe.untilShown(gallery),
        window.probe.untilDrawn(least).then(({ at }) => at)
      ])
      return shown.map((at) => at - clicked)
    },
    [current, row, points] as const,
    () => explore(page)
  )
  return { runs, list, gallery, graph }
}

const say4 = (what: string, { runs, list, gallery, graph }: Opening): void =>
  say(what, `list of runs ${ms(runs)}; then list ${ms(list)}, gallery ${ms(gallery)}, graph ${ms(graph)}`)

/** Switches by a key, each as soon as the one before it shows. */
const measureSwitches = async (page: Page, key: string, switches: number): Promise<number[]> => {
  const taken: number[] = []
  await page.locator(current).click()
  await untilCalm(page)
  for (let i = 0; i < switches; i++) {
    taken.push((await untilSwitched(page, () => page.keyboard.press(key))).milliseconds)
  }
  return taken
}

const measureLabels = async (page: Page, labels: number): Promise<number[]> => {
  const taken: number[] = []
  await page.locator(current).click()
  await untilCalm(page)
  for (let i = 0; i < labels; i++) {
    await page.keyboard.press('n')
    await page.keyboard.type(`name ${i}`)
    taken.push((await untilSwitched(page, () => page.keyboard.press('Enter'))).milliseconds)
  }
  await page.getByText(/^saving \d+…$/).waitFor({ state: 'detached' })
  return taken
}

const measureSearches = async (page: Page, texts: readonly string[]): Promise<number[]> => {
  const taken: number[] = []
  const field = page.getByRole('searchbox', { name: 'Search clusters' })
  for (const text of texts) {
    taken.push(
      (
        await awaiting(
          page,
          () => window.probe.untilSearched(),
          null,
          () => field.fill(text)
        )
      ).milliseconds
    )
  }
  await field.fill('')
  await page.keyboard.press('Escape')
  return taken
}

const residentMebibytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) / 1024

/** Resident memory of the processes: what serves, the store, the page, and what draws for it. */
const sayMemory = async (browser: Browser, opened: Opened, when: string): Promise<void> => {
  const session = await browser.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  await session.detach()
  const most = (type: string): number =>
    Math.max(...processInfo.filter((each) => each.type === type).map(({ id }) => residentMebibytes(id)))
  const pid = opened.process.pid ?? 0
  say(
    `memory, resident, ${when}`,
    `shell ${residentMebibytes(pid).toFixed(0)}, store ${childrenOf(opened.process, 'store')
      .map((id) => residentMebibytes(id).toFixed(0))
      .join(' + ')}, page ${most('renderer').toFixed(0)}, device ${most('GPU').toFixed(0)} MiB`
  )
}

const modeOf = async (page: Page, mode: 'Tokens' | 'Clusters', edges: boolean): Promise<void> => {
  await page.getByRole('group', { name: 'What the graph shows' }).getByRole('button', { name: mode }).click()
  const button = page.getByRole('toolbar', { name: 'Graph' }).getByRole('button', { name: 'Edges' })
  if ((await button.getAttribute('aria-pressed')) !== String(edges)) await button.click()
}

const withoutDevice = (): void => {
  const original = Reflect.get(HTMLCanvasElement.prototype, 'getContext') as (...parameters: unknown[]) => unknown
  Reflect.set(HTMLCanvasElement.prototype, 'getContext', function (this: HTMLCanvasElement, ...parameters: unknown[]) {
    return parameters[0] === 'webgl2' ? null : original.apply(this, parameters)
  })
}

/** Opens a place's window with a probe in it; `address` shows it again. */
const openProbed = async (
  browser: Browser,
  place: Place
): Promise<{ readonly opened: Opened; readonly page: Page; readonly address: string; readonly seconds: number }> => {
  const started = performance.now()
  const opened = await openServed(browser, place)
  const seconds = (performance.now() - started) / 1000
  const page = await opened.page.context().newPage()
  await page.addInitScript(installProbe)
  const address = new URL('/', opened.page.url()).href
  await opened.page.close()
  return { opened, page, address, seconds }
}

const measureWorkspace = async (browser: Browser, size: Size, switches: number): Promise<void> => {
  head(`window: ${count(size.tokens)} tokens in ${count(size.clusters)} clusters`)
  const place = await placeOf(size)
  try {
    const { opened, page, address, seconds } = await openProbed(browser, place)
    say('program started and a first page loaded', `${seconds.toFixed(2)} s`)
    say4(
      'opening, the first time since the program started',
      await measureOpening(page, size.tokens, () => page.goto(address))
    )
    await untilCalm(page)
    say4('opening again', await measureOpening(page, size.tokens, () => page.reload()))
    await untilCalm(page)
    await sayMemory(browser, opened, 'after opening')
    for (const [words, mode, edges] of [
      ['tokens and edges', 'Tokens', true],
      ['tokens', 'Tokens', false],
      ['clusters and edges', 'Clusters', true]
    ] as const) {
      await modeOf(page, mode, edges)
      say(`switch to the next cluster; graph of ${words}`, spread(await measureSwitches(page, 'ArrowDown', switches)))
      say(
        `switch a page further; graph of ${words}`,
        spread(await measureSwitches(page, 'PageDown', Math.ceil(switches / 5)))
      )
    }
    await modeOf(page, 'Tokens', true)
    say(
      'name a cluster and move on; graph of tokens and edges',
      spread(await measureLabels(page, Math.ceil(switches / 2)))
    )
    await modeOf(page, 'Clusters', true)
    say('name a cluster and move on; graph of clusters', spread(await measureLabels(page, Math.ceil(switches / 2))))
    await modeOf(page, 'Tokens', true)
    say(
      'search for text',
      spread(await measureSearches(page, ['tion', 'ment', ' gra', 'qui', 'un', '"', 'jahofi', '42', 'verre', 'sta']))
    )
    say(
      'search by a regular expression',
      spread(await measureSearches(page, ['/^ [A-Z]/', '/\\d+/', '/tion$/', '/^\\s+$/', '/(ba|de)+con/', '/[(){}]/']))
    )
    await untilCalm(page)
    await sayMemory(browser, opened, 'after all of this')

    await page.addInitScript(withoutDevice)
    await page.reload()
    await explore(page)
    await page.locator(row).first().waitFor()
    await untilCalm(page)
    say('switch to the next cluster; no graph', spread(await measureSwitches(page, 'ArrowDown', switches)))
    say('switch a page further; no graph', spread(await measureSwitches(page, 'PageDown', Math.ceil(switches / 5))))
    await opened.close()
  } finally {
    place.remove()
  }
}

/** Frames while the pointer drags the graph and turns its wheel. */
const measureMoves = async (page: Page, move: (x: number, y: number) => Promise<void>): Promise<readonly number[]> => {
  const box = await page.getByRole('application').boundingBox()
  if (box === null) throw new Error('there is no graph')
  await untilCalm(page)
  await page.evaluate(() => window.probe.record())
  await move(box.x + box.width / 2, box.y + box.height / 2)
  return page.evaluate(() => window.probe.frames())
}

const measureGraph = async (browser: Browser, size: Size): Promise<void> => {
  head(`graph: ${count(size.tokens)} points`)
  const place = await placeOf(size)
  try {
    const { opened, page, address } = await openProbed(browser, place)
    const { graph } = await measureOpening(page, size.tokens, () => page.goto(address))
    say('first frame, since Explore was chosen', ms(graph))
    const device: number[] = []
    for (let i = 0; i < 5; i++) {
      await untilCalm(page)
      device.push(
        (
          await awaiting(
            page,
            (least) => window.probe.untilDrawn(least),
            size.tokens,
            () => page.keyboard.press('ArrowDown')
          )
        ).device
      )
    }
    say('all points drawn by the device, at rest', spread(device))
    const pan = async (x: number, y: number): Promise<void> => {
      await page.mouse.move(x, y)
      await page.mouse.down()
      for (let step = 0; step < 90; step++)
        await page.mouse.move(x + 60 * Math.sin(step / 7), y + 60 * Math.cos(step / 7))
      await page.mouse.up()
    }
    const zoom = async (x: number, y: number): Promise<void> => {
      await page.mouse.move(x, y)
      for (const by of [-120, 120]) {
        for (let step = 0; step < 12; step++) {
          await page.mouse.wheel(0, by)
          await page.waitForTimeout(60)
        }
      }
    }
    say('frame to frame while panning', spread(await measureMoves(page, pan)))
    say('frame to frame while zooming', spread(await measureMoves(page, zoom)))
    const field = page.getByRole('combobox', { name: 'Colour by' })
    for (const [words, value] of [
      ['subset, read now', 'subset'],
      ['cluster', 'cluster'],
      ['subset, read before', 'subset'],
      ['χ of a component, read now', 'χ head:1.1'],
      ['label status', 'status']
    ] as const) {
      await untilCalm(page)
      const { milliseconds } = await awaiting(
        page,
        (least) => window.probe.untilColoured(least),
        size.tokens,
        () => field.selectOption(value)
      )
      say(`change of colours to ${words}`, ms(milliseconds))
    }
    await sayMemory(browser, opened, 'at the end')
    await opened.close()
  } finally {
    place.remove()
  }
}

const program = new Command()
  .name('npm run bench -- window')
  .description(
    'Measures the window on synthetic workspaces, through `serve` and a Chromium of this machine: opening, ' +
      'switching, labelling, searching, memory, frames of the graph.'
  )
  .option('--tokens <n>', 'tokens of the workspace that is opened', '1000000')
  .option('--clusters <n>', 'clusters in it', '10000')
  .option('--points <list>', 'numbers of points at which the graph is measured', '100000,300000')
  .option('--switches <n>', 'switches that are timed', '50')
  .option('--only <which>', 'workspace or graph')
  .parse()
const { tokens, clusters, points, switches, only } = program.opts<{
  tokens: string
  clusters: string
  points: string
  switches: string
  only?: string
}>()

if (executablePath === undefined)
  program.error('There is no Chromium here; install one, or name one in SPECTROSCOPE_CHROMIUM.')
const browser = await launchBrowser()
try {
  const rows = 127
  console.log(
    `\nwindow: ${browser.version()}, drawing by software (SwiftShader) on the processor; a graphics device ` +
      'would draw faster'
  )
  const wholeRows = (asked: string): number => Math.ceil(Number(asked) / rows) * rows
  if (only !== 'graph')
    await measureWorkspace(browser, { tokens: wholeRows(tokens), clusters: Number(clusters) }, Number(switches))
  if (only !== 'workspace')
    for (const each of points.split(','))
      await measureGraph(browser, { tokens: wholeRows(each), clusters: Math.max(1, Math.round(Number(each) / 100)) })
} finally {
  await browser.close()
}
