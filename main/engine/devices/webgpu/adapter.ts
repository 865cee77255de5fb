import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Adapter that WebGPU computes on. A software adapter computes on the CPU: fit for tests, and slow. */
export interface Adapter {
  readonly name: string
  readonly software: boolean
}

const softwareNames =
  /llvmpipe|lavapipe|softpipe|swiftshader|libvulkan_lvp|libvk_swiftshader|\bwarp\b|microsoft basic (render|display)/i

/** Whether a name of an adapter or driver is Mesa's llvmpipe, SwiftShader, or Windows' WARP. */
export const isSoftware = (words: string): boolean => softwareNames.test(words)

/** The last device that the Vulkan loader created, from its output with VK_LOADER_DEBUG=layer. */
export const adapterOfLoader = (output: string): Adapter | undefined => {
  const made = [...output.matchAll(/Using "([^"]*)" with driver: "([^"]*)"/g)].at(-1)
  return made === undefined ? undefined : { name: made[1], software: isSoftware(`${made[1]} ${made[2]}`) }
}

/** Adapter among those that the system names. WebGPU takes the fastest, but does not say which. */
export const adapterAmong = (names: readonly string[]): Adapter | undefined => {
  const hardware = names.filter((name) => !isSoftware(name))
  if (names.length === 0) return undefined
  return hardware.length === 0 ? { name: names[0], software: true } : { name: hardware.join(' or '), software: false }
}

/** Names in the output of `system_profiler SPDisplaysDataType -json`. */
export const namesOfMac = (output: string): string[] => {
  const { SPDisplaysDataType: displays = [] } = JSON.parse(output) as {
    readonly SPDisplaysDataType?: readonly { readonly sppci_model?: string }[]
  }
  return displays.flatMap(({ sppci_model: name }) => (name === undefined ? [] : [name]))
}

const systemNames: Partial<Record<NodeJS.Platform, () => Promise<string[]>>> = {
  darwin: async () =>
    namesOfMac(
      (await promisify(execFile)('system_profiler', ['SPDisplaysDataType', '-json'], { timeout: 20_000 })).stdout
    ),
  win32: async () => {
    const command = '(Get-CimInstance Win32_VideoController).Name'
    const { stdout } = await promisify(execFile)(
      'powershell.exe',
      ['-NoProfile', '-NonInteractive', '-Command', command],
      { timeout: 20_000 }
    )
    return stdout
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '')
  }
}

/** Adapter from the system's list, for platforms without loader output; undefined if unknown. */
export const adapterOfSystem = async (): Promise<Adapter | undefined> => {
  try {
    return adapterAmong((await systemNames[process.platform]?.()) ?? [])
  } catch {
    return undefined
  }
}
