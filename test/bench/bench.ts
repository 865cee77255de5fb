import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { projectRoot } from '../../main/base/entries'
import { presets } from '../../preload/configuration'
import { type Precision, precisions } from '../../preload/precisions'
import { benchAccuracy } from './accuracy'
import { type SettingOptions, benchAgreement } from './agreement'
import { benchClustering } from './clustering'
import { benchCommunities, measureCommunitiesPoint } from './communities'
import { benchDescription } from './describe'
import { benchDevice } from './device'
import { benchGather, gatherSizes } from './gather'
import { benchGrowth, growthAxes, measureGrowthPoint } from './growth'
import { benchHost } from './host'
import { benchLaunches } from './launches'
import { benchLoss } from './loss'
import { benchLongRows, measureRowsPoint, writeRowsModel, type RowsPoint } from './long-rows'
import { benchNeighbours } from './neighbours'
import { type PrecisionPoint, benchPrecisions, measurePrecisionPoint } from './precisions'
import { benchRecall } from './recall'
import { benchReliability } from './reliability'
import { benchResponsiveness } from './responsiveness'
import { type RateKind, benchSpeed } from './speed'
import { benchStructure, usualTrials } from './structure'

const present = (path: string): string | undefined => (existsSync(path) ? path : undefined)
const shared = join(projectRoot, '..', 'shared')

const parts = [
  'speed, accuracy, reliability, agreement, structure, device, launches, host, loss, neighbours',
  'communities, clustering, describe, growth, gather, rows or responsiveness'
].join(', ')

const program = new Command()
  .name('npm run bench --')
  .description(
    'Measures this machine: sampling beside a plain PyTorch loop, float32 error, clustering, description and ' +
      'layout, and how cost grows.'
  )
  .argument('<part>', parts)
  .option('--engines <names>', 'of the part loss: onnx-cpu, webgpu, webgpu-software', 'onnx-cpu,webgpu-software')
  .option('--memory <list>', 'of the part launches: GiB that an evaluator may take of a device', '31.6,9.6,3.2')
  .option('--threads <n>', 'threads of both sides', String(availableParallelism()))
  .option(
    '--rounds <n>',
    'rounds of ours and the peer in turns; of the part agreement, rounds of first order (4 by default)'
  )
  .option(
    '--shapes <names>',
    'which of fixture, pythia-14m, pythia-70m, pythia-410m, gpt2-small and model',
    'fixture,pythia-14m,gpt2-small'
  )
  .option('--model <folder>', 'Hugging Face folder of the shape model')
  .option('--kinds <names>', 'step, draw or both', 'step,draw')
  .option('--engine <name>', 'engine of speed, device and the precisions of accuracy', 'auto')
  .addOption(new Option('--precision <name>', 'precision of speed and device').choices(precisions).default('float32'))
  .option('--precisions <names>', 'of the part accuracy: what these do to χ, beside float32, in place of the goldens')
  .addOption(
    new Option('--peer-device <name>', 'where the PyTorch loop computes').choices(['cpu', 'cuda']).default('cpu')
  )
  .option('--peer-tf32', 'let the PyTorch loop multiply in TF32')
  .option('--effort <n>', 'times as many steps and draws in a round', '1')
  .option('--tokens <n>', 'rows of the clustering matrix, or of the described one (1,000,000 by default)')
  .option(
    '--sizes <list>',
    [
      'tokens x dimensions of the neighbour searches (200000x32,50000x400)',
      'of the communities (13000x32,100000x32; x k too)',
      'or of gather (200000x326; x method too)'
    ].join(', ')
  )
  .option('--recall <list>', 'of the part neighbours: how communities move at these recalls; a size may be "demo"')
  .option('--clusters <n>', 'clusters that are described', '10000')
  .option('--lengths <list>', 'token ids in a row of the part rows', '256,512,1024')
  .option('--target <list>', 'of the part reliability: reliabilities that every column shall reach', '0.5,0.8')
  .option('--seconds <n>', 'of the part reliability: for each method and component', '60')
  .option('--components <list>', 'of the parts reliability and agreement: in place of their own')
  .option('--probe <n>', 'of those parts: probe rows of 64 ids (210 and 45 by default)')
  .option('--observation <n>', 'of those parts: observation rows', '512')
  .option('--chains <n>', 'of the part agreement: chains of pSGLD and of plain draws', String(presets.paper.chains))
  .option('--draws <n>', 'of the part agreement: draws of a chain of pSGLD', String(presets.paper.draws))
  .option('--step-size <number>', 'likewise its step size', String(presets.paper.stepSize))
  .option('--steps-between-draws <n>', 'likewise', String(presets.paper.stepsBetweenDraws))
  .option('--burn-in <n>', 'likewise', String(presets.paper.burnIn))
  .option('--plain-draws <n>', 'of the part agreement: draws of a chain at nβ 0', '200')
  .option('--gradient-draws <n>', 'of the part agreement: draws of section 3b in all', '64')
  .option('--sums <file>', 'of the part structure: kept sums of a run, runs/ID/sums of its workspace')
  .option('--exported <folder>', 'of the part structure: its export as CSV')
  .option('--trials <json>', 'of the part structure: settings of clusterings, [{"neighbours": 10, "whiten": true}, …]')
  .option('--only <axes>', `axes of growth: ${growthAxes.join(', ')}; all by default`)
  .addOption(new Option('--point <json>').hideHelp())
  .option('--peer <folder>', 'folder with torch_loop.py', join(shared, 'peer'))
  .option('--fixtures <folder>', 'folder with neox-2m/ and gpt2-2m/', join(shared, 'fixtures'))
  .option('--goldens <folder>', 'folder with sampling-*.json of the float64 oracle', join(shared, 'oracle', 'goldens'))
  .option(
    '--python <program>',
    'a Python with torch and numpy',
    existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'
  )
  .parse()

interface Options {
  readonly threads: string
  readonly memory: string
  readonly rounds?: string
  readonly shapes: string
  readonly kinds: string
  readonly model?: string
  readonly engine: string
  readonly precision: Precision
  readonly precisions?: string
  readonly peerDevice: 'cpu' | 'cuda'
  readonly peerTf32?: boolean
  readonly effort: string
  readonly tokens?: string
  readonly sizes?: string
  readonly recall?: string
  readonly clusters: string
  readonly lengths: string
  readonly target: string
  readonly seconds: string
  readonly components?: string
  readonly probe?: string
  readonly observation: string
  readonly chains: string
  readonly draws: string
  readonly stepSize: string
  readonly stepsBetweenDraws: string
  readonly burnIn: string
  readonly plainDraws: string
  readonly gradientDraws: string
  readonly sums?: string
  readonly exported?: string
  readonly trials?: string
  readonly only?: string
  readonly engines: string
  readonly point?: string
  readonly peer: string
  readonly fixtures: string
  readonly goldens: string
  readonly python: string
}

const options = program.opts<Options>()
const threads = Number(options.threads)
const peerFolder =
  present(join(resolve(options.peer), 'torch_loop.py')) === undefined ? undefined : resolve(options.peer)
const ofStudy = (probe: number): SettingOptions => ({
  fixtures: resolve(options.fixtures),
  engine: options.engine,
  precision: options.precision,
  threads,
  probe: Number(options.probe ?? probe),
  observation: Number(options.observation)
})
const part = program.args[0]
if (part === 'speed') {
  const fixture = present(join(resolve(options.fixtures), 'neox-2m')) ?? join(projectRoot, 'resources', 'demo', 'model')
  await benchSpeed({
    fixture,
    model: options.model === undefined ? undefined : resolve(options.model),
    fixtures: present(options.fixtures),
    goldens: present(options.goldens),
    peer: peerFolder,
    python: options.python,
    threads,
    rounds: options.rounds === undefined ? undefined : Number(options.rounds),
    shapes: options.shapes.split(','),
    kinds: options.kinds.split(',') as RateKind[],
    engine: options.engine,
    precision: options.precision,
    peerDevice: options.peerDevice,
    peerTf32: options.peerTf32 === true,
    effort: Number(options.effort)
  })
} else if (part === 'reliability') {
  await benchReliability({
    ...ofStudy(210),
    shapes: options.shapes.split(','),
    targets: options.target.split(',').map(Number),
    seconds: Number(options.seconds),
    components: options.components?.split(','),
    peer: peerFolder,
    python: options.python,
    effort: Number(options.effort)
  })
} else if (part === 'agreement') {
  await benchAgreement({
    ...ofStudy(45),
    components: (options.components ?? 'embed,head:0.0,head:5.0,mlp:2,mlp:5,unembed').split(','),
    chains: Number(options.chains),
    draws: Number(options.draws),
    stepSize: Number(options.stepSize),
    stepsBetweenDraws: Number(options.stepsBetweenDraws),
    burnIn: Number(options.burnIn),
    plainDraws: Number(options.plainDraws),
    gradientDraws: Number(options.gradientDraws),
    rounds: Number(options.rounds ?? 4)
  })
} else if (part === 'structure') {
  const { sums = program.error('structure needs --sums.'), exported = program.error('structure needs --exported.') } =
    options
  const trials = options.trials === undefined ? usualTrials : (JSON.parse(options.trials) as readonly object[])
  const sizes = (options.tokens ?? '1000000').split(',').map(Number)
  await benchStructure({ sums: resolve(sums), exported: resolve(exported), trials, sizes, threads })
} else if (part === 'device') await benchDevice(options.engine, options.precision)
else if (part === 'accuracy' && options.precisions !== undefined) {
  const chosen = options.precisions
    .split(',')
    .map(
      (name) =>
        precisions.find((each) => each === name) ??
        program.error(`There is no precision "${name}"; choose of ${precisions.join(', ')}.`)
    )
  await benchPrecisions(chosen, resolve(options.fixtures), {
    engine: options.engine,
    threads,
    ...(JSON.parse(options.point ?? '{}') as Partial<PrecisionPoint>)
  })
} else if (part === 'accuracy') await benchAccuracy(present(options.fixtures), present(options.goldens), threads)
else if (part === 'neighbours' && options.recall !== undefined) {
  const sizes = (options.sizes ?? 'demo,30000x32,100000x32').split(',')
  await benchRecall(sizes, options.recall.split(',').map(Number), threads)
} else if (part === 'neighbours') {
  await benchNeighbours((options.sizes ?? '200000x32,50000x400').split(','), threads, options.python)
} else if (part === 'communities') {
  const sizes = (options.sizes ?? '13000x32,100000x32').split(',')
  await benchCommunities(sizes, Number(options.rounds ?? 3), threads, options.python)
} else if (part === 'communities-point' && options.point !== undefined) measureCommunitiesPoint(options.point)
else if (part === 'clustering') await benchClustering(Number(options.tokens ?? 100_000), threads)
else if (part === 'describe') benchDescription(Number(options.tokens ?? 1_000_000), Number(options.clusters))
else if (part === 'launches')
  await benchLaunches(
    options.shapes.split(',').filter((name) => name !== 'fixture'),
    options.memory.split(',').map(Number)
  )
else if (part === 'host')
  await benchHost(
    options.shapes.split(',').filter((name) => name !== 'fixture'),
    threads,
    Number(options.rounds ?? 3)
  )
else if (part === 'loss')
  await benchLoss(options.engines.split(','), Number(options.tokens ?? 64), Number(options.rounds ?? 3))
else if (part === 'growth') await benchGrowth(options.only?.split(',') ?? [])
else if (part === 'gather') await benchGather(options.sizes?.split(',') ?? gatherSizes)
else if (part === 'responsiveness') await benchResponsiveness(threads, 15)
else if (part === 'rows')
  await benchLongRows(
    options.lengths.split(',').map(Number),
    threads,
    options.point === undefined ? {} : (JSON.parse(options.point) as Partial<RowsPoint>)
  )
else if (part === 'rows-point' && options.point !== undefined) await measureRowsPoint(options.point)
else if (part === 'random-model' && options.point !== undefined) await writeRowsModel(options.point)
else if (part === 'precision-point' && options.point !== undefined) await measurePrecisionPoint(options.point)
else if (part === 'growth-point' && options.point !== undefined) await measureGrowthPoint(options.point)
else program.error(`There is no part "${part}"; choose ${parts}.`)
