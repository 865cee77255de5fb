import type { EngineInstallation, EngineInstalled } from '../../preload/contract'
import { installEngine, measureEngines, removeEngine } from '../api/engines'
import { line } from '../base/printed'
import type { Visible } from '../base/printed'
import type { CommandMaker, Common } from './command-maker'
import { confirm, page, watched } from './terminal'
import type { Watch } from './terminal'
import { duration, grouped } from './text'
import { enginesText } from './engine-views'

const installedText = (
  { engine, installed, device, version, tokensPerSecond }: EngineInstalled,
  seconds: number
): Visible => {
  if (!installed) return line`Nothing was installed.`
  const rate = `${grouped(Math.round(tokensPerSecond ?? 0))} tokens/s of a small model's gradient steps`
  const what = `${engine} is ready after ${duration(seconds)}: ${version ?? ''} on ${device ?? ''}, ${rate}.`
  return line`${what} Set "engine": "${engine}" to use it.`
}

/** Prints what will be downloaded. Asks for consent unless given by `yes`. */
const agreed = ({ words }: EngineInstallation, yes: boolean, { onEvent }: Watch): Promise<boolean> => {
  onEvent({ type: 'note', message: words })
  return yes ? Promise.resolve(true) : confirm('Download and install it now?', '--yes')
}

/** Adds the commands that list and install engines. */
export const addEngineCommands = ({ command, answer }: CommandMaker): void => {
  const engines = command(
    'engines',
    'List the engines of this machine with their measured rates, or install one.',
    'engines',
    'engines install cuda'
  ).action((options: Common) =>
    answer(options, async () => {
      const measured = await measureEngines()
      return { json: { engines: measured }, text: enginesText(measured, page()) }
    })
  )
  engines
    .command('install <name>')
    .description(
      'Download the libraries of an engine, after listing them: cuda for onnxruntime, tfjs for TensorFlow.js, on ' +
        'NVIDIA GPUs.'
    )
    .option('-y, --yes', 'do not ask')
    .action((name: string, _options: object, self: { optsWithGlobals: () => Common & { readonly yes?: boolean } }) => {
      const { yes, ...options } = self.optsWithGlobals()
      return answer(options, async () => {
        const start = performance.now()
        const installed = await watched((watch) =>
          installEngine({ name, confirm: (installation) => agreed(installation, yes === true, watch), ...watch })
        )
        return { json: installed, text: installedText(installed, (performance.now() - start) / 1000) }
      })
    })
  engines
    .command('remove <name>')
    .description('Remove an installation and free its disk space.')
    .action((name: string, _options: object, self: { optsWithGlobals: () => Common }) =>
      answer(self.optsWithGlobals(), async () => {
        const { engine } = await removeEngine(name)
        return { json: { engine, removed: true }, text: line`Removed what was installed for ${engine}.` }
      })
    )
}
