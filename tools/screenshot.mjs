// npm run screenshot: makes docs/screenshot.png, the example in Explore, with `serve` and Chromium.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'
import { checkNode, ensureBuilt, ensureInstalled, findChromium, root, stop } from './ensure.mjs'

checkNode()
ensureInstalled()
ensureBuilt()
const executablePath =
  findChromium() ?? stop('There is no Chromium here: install it, or name one in SPECTROSCOPE_CHROMIUM.')
const folder = mkdtempSync(join(tmpdir(), 'spectroscope-screenshot-'))
const serve = [join(root, 'out', 'main', 'cli.js'), 'serve', '--no-open', '--workspace', join(folder, 'workspace')]
const env = { ...process.env, SPECTROSCOPE_SETTINGS: join(folder, 'settings') }
const server = spawn(process.execPath, serve, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
const ended = once(server, 'exit')

/** The address printed by `serve`. */
const address = async () => {
  for await (const line of createInterface({ input: server.stdout })) {
    const found = /http:\/\/127\.0\.0\.1:\d+\/\S*/.exec(line)
    if (found !== null) return found[0]
  }
  return stop('`serve` ended before it printed its address.')
}

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--enable-unsafe-swiftshader'] })
try {
  const viewport = { width: 1280, height: 800 }
  const page = await browser.newPage({ viewport, colorScheme: 'light', reducedMotion: 'reduce' })
  await page.goto(await address())
  await page.getByRole('button', { name: /^Open example/ }).click()
  await page
    .getByRole('grid', { name: /^Contexts of/ })
    .locator('mark')
    .first()
    .waitFor()
  await page.getByRole('toolbar', { name: 'Graph' }).waitFor()
  // Wait two frames, until the graph is drawn.
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
  await page.screenshot({ path: join(root, 'docs', 'screenshot.png') })
} finally {
  await browser.close()
  server.kill('SIGINT')
  await ended
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
