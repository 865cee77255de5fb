import { SpectroscopeError } from '../../../../preload/errors'
import { complainAtLength } from '../../../base/printed'
import { ProcessExecutor, StartupOutput } from '../../apart'
import { type NvidiaDevice, deviceWords } from '../cuda'
import type { TensorflowOptions } from './backend'
import { tensorflowEnvironment } from './environment'

/**
 * TensorFlow's messages that are not errors: "I0000 00:00:1796075262.79 …", or in 2.9.1 "2026-11-30 21:47:42.1: I …",
 * and its memory tables.
 */
const chatter = /^(?:[IW]\d{4} |[-\d]+ [:\d.]+: [IW] |$|If the cause|Current alloc|\w+: +[\d.]+(?:[KMGT]i)?B?$)/

/** The GPU that TensorFlow reports; undefined if none. */
export const deviceIn = (output: string): string | undefined => {
  const found = [
    ...output.matchAll(/Created device .*?name: ([^,\n]+), pci bus id: [^,\n]+, compute capability: ([\d.]+)/g)
  ].at(-1)
  return found === undefined ? undefined : `${found[1]}, compute capability ${found[2]}`
}

/** Why TensorFlow found no GPU, with a remedy, from its messages; undefined if they do not say. */
export const lackIn = (output: string): string | undefined => {
  const libraries = [...output.matchAll(/Could not load dynamic library '([^']+)'/g)].map(([, name]) => name)
  const cuda = [...output.matchAll(/failed call to cuInit: (.+)/g)].at(-1)?.[1]
  const ignored = /Ignoring visible gpu device .*compute capability:? ([\d.]+).*? required .*?([\d.]+\d)/.exec(output)
  if (cuda !== undefined)
    return (
      `TensorFlow could not start CUDA (cuInit: ${cuda.replace(/^.*Failed call to cuInit: /, '').trim()}); see ` +
      `that the NVIDIA driver works and this user may use the GPU, or choose another engine.`
    )
  if (libraries.length > 0)
    return (
      `TensorFlow has no GPU, as it could not load ${[...new Set(libraries)].join(', ')}; run \`spectroscope ` +
      `engines remove tfjs\` and install again, or choose another engine.`
    )
  if (ignored !== null)
    return (
      `TensorFlow takes no GPU of compute capability ${ignored[1]}, but ${ignored[2]} or newer; choose another ` +
      `engine.`
    )
  return undefined
}

const noGpu =
  'TensorFlow has no GPU here and would compute on the processor; see that the NVIDIA driver works, or choose ' +
  'another engine.'

/**
 * Opens TensorFlow.js in a separate process, on the device, or on the CPU if `device` is undefined. Throws an
 * `engine` error if the process cannot load the library, dies, or finds no GPU.
 */
export const openTfjsProcess = async ({
  addon,
  device
}: {
  readonly addon: string
  readonly device: NvidiaDevice | undefined
}): Promise<ProcessExecutor> => {
  const output = new StartupOutput(chatter, complainAtLength)
  const gpu = device !== undefined
  return ProcessExecutor.open<TensorflowOptions>(
    {
      entry: 'tfjs',
      library: 'TensorFlow.js',
      options: { addon },
      environment: tensorflowEnvironment(gpu, addon, process.env),
      lostAtStart: (words) =>
        new SpectroscopeError(
          'engine',
          (gpu ? lackIn(output.text) : undefined) ??
            `The TensorFlow.js process ended (${words}) while it loaded its library; run \`spectroscope ` +
              `engines remove tfjs\` and install again, or choose another engine.`
        ),
      onErrorOutput: (text) => output.take(text)
    },
    async (description) => {
      if (!gpu) return description
      const found = deviceIn(await output.opened)
      if (description.device === 'CPU') throw new SpectroscopeError('engine', lackIn(await output.opened) ?? noGpu)
      return { ...description, device: found ?? deviceWords(device) }
    }
  )
}
