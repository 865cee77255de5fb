import { spawn } from 'node:child_process'

type Opener = readonly [program: string, ...args: string[]]

/**
 * Programs that open an address, which is their last argument, best first; none where there is nothing to show a
 * browser on.
 */
const openers = (): readonly Opener[] => {
  if (process.platform === 'darwin') return [['open']]
  if (process.platform === 'win32') return [['rundll32', 'url.dll,FileProtocolHandler']]
  const { DISPLAY = '', WAYLAND_DISPLAY = '' } = process.env
  if (DISPLAY === '' && WAYLAND_DISPLAY === '') return []
  return [['xdg-open'], ['chromium'], ['google-chrome'], ['firefox']]
}

/** A browser that stays is taken to have opened it; one that gives up does so at once. */
const secondsToGiveUp = 3

const tries = ([program, ...args]: Opener, address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const child = spawn(program, [...args, address], { detached: true, stdio: 'ignore' })
    const stays = setTimeout(() => resolve(true), 1000 * secondsToGiveUp)
    const settle = (opened: boolean): void => {
      clearTimeout(stays)
      resolve(opened)
    }
    child.once('error', () => settle(false))
    child.once('exit', (code) => settle(code === 0))
    child.unref()
  })

/** Opens a browser where there is one, and says whether it did. Each attempt takes an address of its own. */
export const openBrowser = async (address: () => string): Promise<boolean> => {
  for (const opener of openers()) if (await tries(opener, address())) return true
  return false
}
