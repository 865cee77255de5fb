import { InvalidArgumentError, Option } from 'commander'
import { sweepPresetNames, sweepPresets, sweepSchema, sweepSettingNames } from '../../preload/contract-sweeps'
import type { Sweep, SweepPreset, SweepSetting, SweepValue } from '../../preload/contract-sweeps'
import { SpectroscopeError } from '../../preload/errors'
import { issueWords, telling } from '../../preload/issues'
import { limits } from '../../preload/limits'
import { briefly } from '../../preload/quoting'
import { deleteSweep, estimateAsked, listSweeps, resumeSweep, showSweep, startSweep } from '../api/sweeps'
import { line, lines } from '../base/printed'
import { exportSweep } from '../exchange/sweep-export'
import { nameIn, pathIn, wholeIn } from './arguments'
import { checkpointOption } from './command-maker'
import type { CommandMaker, Working, Common } from './command-maker'
import { sweepPlanText, sweepsText, sweepText } from './sweep-views'
import { page, watched } from './terminal'

interface Starting extends Working {
  readonly set?: Sweep
  readonly preset?: SweepPreset
  readonly name?: string
  readonly plan?: boolean
}

const isSetting = (name: string): name is SweepSetting => sweepSettingNames.some((each) => each === name)

const valueIn = (text: string): SweepValue => {
  const trimmed = text.trim()
  return trimmed !== '' && Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed
}

/** Parses "k=30,45,60", and adds it to the settings before. */
const settingIn = (text: string, earlier: Sweep = {}): Sweep => {
  const at = text.indexOf('=')
  const name = text.slice(0, Math.max(0, at)).trim()
  if (!isSetting(name)) {
    const what = `It must be a setting and its values, as in k=30,45,60; settings are ${sweepSettingNames.join(', ')}`
    throw new InvalidArgumentError(`${what}.`)
  }
  const parsed = sweepSchema.safeParse({
    ...earlier,
    [name]: text
      .slice(at + 1)
      .split(',')
      .map(valueIn)
  })
  if (parsed.success) return parsed.data
  throw new InvalidArgumentError(`"${briefly(text)}": ${issueWords(telling(parsed.error.issues[0]))}.`)
}

const settingsOf = ({ set, preset }: Starting): SweepPreset | Sweep | undefined => {
  if (set === undefined || preset === undefined) return set ?? preset
  throw new SpectroscopeError('usage', '--set and --preset exclude one another; give one of them.')
}

const baseOption = (): Option =>
  new Option('--base <member>', 'member whose clusters are looked for in the others, counted from 1').argParser(
    wholeIn(1, limits.sweepMembers)
  )

const placeOf = (base: number | undefined): number | undefined => (base === undefined ? undefined : base - 1)

/** Adds the commands of `sweep`. */
export const addSweepCommands = ({ group, answer }: CommandMaker): void => {
  const command = group('sweep', 'Runs and clusterings with several settings, compared as one study.', 'start')
  const presets = sweepPresetNames.map((name) => `${name}: ${sweepPresets[name].words}`).join('; ')

  command(
    'start <study>',
    'Start a sweep over the settings of STUDY: a configuration file, or a run of the workspace. "start" may be left ' +
      'out.',
    'sweep latest --set k=30,45,60',
    'sweep latest --preset nBeta --plan',
    'sweep study.json --set nBeta=0,3 --set gamma=100,300 --name posterior'
  )
    .option(
      '--set <setting=values>',
      `values of a setting (${sweepSettingNames.join(', ')}); several settings make all combinations`,
      settingIn
    )
    .addOption(new Option('--preset <name>', presets).choices(sweepPresetNames))
    .option('-n, --name <name>', 'name of the sweep', nameIn)
    .option('--plan', 'show members and cost, and start nothing')
    .addOption(checkpointOption())
    .action((from: string, options: Starting) =>
      answer(options, async () => {
        const asked = { from, settings: settingsOf(options), name: options.name }
        if (options.plan === true) {
          const plan = await estimateAsked(options.workspace, asked)
          return { json: plan, text: sweepPlanText(plan, page()) }
        }
        const report = await watched((watch) =>
          startSweep(options.workspace, asked, { ...watch, checkpointSeconds: options.checkpointEvery })
        )
        return { json: report, text: sweepText(report, page()) }
      })
    )

  command('resume <sweep>', 'Resume a sweep: its members that are missing, paused or failed.', 'sweep resume latest')
    .addOption(checkpointOption())
    .action((sweep: string, options: Working) =>
      answer(options, async () => {
        const report = await watched((watch) =>
          resumeSweep(options.workspace, sweep, { ...watch, checkpointSeconds: options.checkpointEvery })
        )
        return { json: report, text: sweepText(report, page()) }
      })
    )

  command('status', 'List the sweeps of a workspace.', 'sweep status').action((options: Common) =>
    answer(options, async () => {
      const sweeps = await listSweeps(options.workspace)
      return { json: { sweeps }, text: sweepsText(sweeps, page()) }
    })
  )

  command('show <sweep>', 'Show what the members of a sweep found, and how they agree.', 'sweep show latest --base 2')
    .addOption(baseOption())
    .action((sweep: string, { base, ...options }: Common & { readonly base?: number }) =>
      answer(options, async () => {
        const report = await showSweep(options.workspace, sweep, placeOf(base))
        return { json: report, text: sweepText(report, page()) }
      })
    )

  command('export <sweep>', 'Write the report of a sweep as CSV and JSON.', 'sweep export latest --out sweep')
    .requiredOption('-o, --out <folder>', 'folder to write, new or empty', pathIn)
    .addOption(baseOption())
    .option('--overwrite', 'replace an earlier export of a sweep')
    .action(
      (
        sweep: string,
        { base, out, overwrite, ...options }: Common & { base?: number; out: string; overwrite?: boolean }
      ) =>
        answer(options, async () => {
          const report = await showSweep(options.workspace, sweep, placeOf(base))
          const files = [...(await exportSweep(report, out, overwrite === true)).keys()]
          return { json: { folder: out, files }, text: lines(`Written to ${out}: ${files.join(', ')}`) }
        })
    )

  command(
    'delete <sweep>',
    'Forget a sweep; its runs stay, and are listed with the others.',
    'sweep delete latest'
  ).action((sweep: string, options: Common) =>
    answer(options, async () => {
      const { id, name } = await deleteSweep(options.workspace, sweep)
      return { json: { sweep: id, deleted: true }, text: line`The sweep ${id} "${name}" is forgotten; its runs stay.` }
    })
  )
}
