import { spawn } from 'node:child_process'

type Opener = readonly [program: string, ...args: string[]]

/** Programs that open an address given as their last argument, best first. Empty without a display. */
const openers = (): readonly Opener[] => {
  if (process.platform === 'darwin') return [['open']]
  if (process.platform === 'win32') return [['rundll32', 'url.dll,FileProtocolHandler']]
  const { DISPLAY = '', WAYLAND_DISPLAY = '' } = process.env
  if (DISPLAY === '' && WAYLAND_DISPLAY === '') return []
  return [['xdg-open'], ['chromium'], ['google-chrome'], ['firefox']]
}

/** A program that still runs after this time has opened the address. One that fails exits sooner. */
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

/** Opens a browser. Returns false if there is none. Each attempt gets a new address. */
export const openBrowser = async (address: () => string): Promise<boolean> => {
  for (const opener of openers()) if (await tries(opener, address())) return true
  return false
}
