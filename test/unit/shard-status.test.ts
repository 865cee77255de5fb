import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SetStatus } from '../../preload/shards'
import { memoryKills, memoryLimit, memoryUsed } from '../../main/base/memory-use'
import { ShardReporter, isNearLimit, readReport } from '../../main/pipeline/shard-report'
import { dealChains, shardFolder, resultPath } from '../../main/pipeline/shard-set'
import type { Shard } from '../../main/pipeline/shard-set'
import type { ScriptSet } from '../../main/pipeline/shard-scripts'
import {
  indexRanges,
  perTaskFor,
  plainScript,
  runCommands,
  sbatchScript,
  submitScript,
  taskMemory
} from '../../main/pipeline/shard-scripts'
import { missingError, setStatus } from '../../main/pipeline/shard-status'
import { taskWords } from '../../main/pipeline/slurm'
import { chainNames } from '../../main/sampling/input'
import { writeSampled } from '../../main/sampling/sampled-file'
import { smallInput } from './sampling-fake'
import { shardSet } from './shard-fixture'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shard-status-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const path = (...parts: string[]): string => join(folder, ...parts)
const chains = chainNames({ components: ['a', 'b', 'c'], sampler: { ...smallInput().sampler, chains: 2 } }).slice(0, 6)
const shards = dealChains(chains, () => 1, 6)
const set = shardSet({ shards })
const withMemory = (bytes: readonly number[]): Shard[] =>
  shards.map((shard, at) => ({ ...shard, memoryBytes: bytes[at] }))

/** Three shards that wait for nothing and three that wait for those, two of a kind a task. */
const waiting = {
  ...shardSet({ shards, perTask: 2 }),
  shards: shards.map((shard, at) => ({ ...shard, search: at < 3 ? null : 'whole' }))
}

const sampled = { tokens: 1, initialLoss: 1, chains: [], sums: () => Promise.reject(new Error('there are none')) }
const finish = (shard: number, of = shard): Promise<void> => {
  mkdirSync(shardFolder(folder, shard), { recursive: true })
  return writeSampled(resultPath(folder, shard), { set: set.id, shard: of }, sampled)
}
const damage = (shard: number): void => {
  const bytes = readFileSync(resultPath(folder, shard))
  bytes[bytes.length >> 1] ^= 1
  writeFileSync(resultPath(folder, shard), bytes)
}
const claimed = (shard: number, silence: number, changes: object = {}): void => {
  mkdirSync(shardFolder(folder, shard), { recursive: true })
  const claim = join(shardFolder(folder, shard), 'claim.1')
  writeFileSync(
    claim,
    JSON.stringify({ host: 'node7', pid: 7, space: '', token: 'theirs', since: '2026-01-01T00:00:00Z', ...changes })
  )
  utimesSync(claim, new Date(), new Date(Date.now() - 1000 * silence))
}
const reported = (shard: number, changes: object = {}): void => {
  const report = {
    host: 'node7',
    pid: 7,
    fraction: 0.5,
    secondsLeft: 60,
    memory: { mostBytes: 1e8, limitBytes: null, ranOut: false },
    ...changes
  }
  writeFileSync(join(shardFolder(folder, shard), 'progress.json'), JSON.stringify(report))
}
const status = (): Promise<SetStatus> => setStatus(folder, set)
const states = async (): Promise<string[]> => (await status()).shards.map(({ state }) => state)

describe('how far shards are', () => {
  it('is told apart by results, claims, signs of life and checkpoints', async () => {
    await finish(0)
    claimed(1, 20)
    claimed(2, 60)
    await finish(3)
    damage(3)
    mkdirSync(shardFolder(folder, 4), { recursive: true })
    writeFileSync(join(shardFolder(folder, 4), 'a-1.checkpoint'), '')
    expect(await states()).toEqual(['done', 'running', 'lost', 'damaged', 'interrupted', 'waiting'])
  })

  it('knows a dead process of this machine at once, and a result of another shard', async () => {
    claimed(1, 0, { host: hostname(), space: readNamespace(), pid: 2 ** 22 + 1 })
    await finish(2, 3)
    expect((await states()).slice(1, 3)).toEqual(['lost', 'damaged'])
  })

  it('has what the process at work says of itself, and what the whole comes to', async () => {
    claimed(1, 5, { attempt: { task: 'slurm c 12_1', number: 0 } })
    reported(1)
    const { shards, fraction, secondsLeft } = await status()
    expect(shards[1]).toMatchObject({
      fraction: 0.5,
      secondsLeft: 60,
      host: 'node7',
      pid: 7,
      job: 'Slurm 12_1',
      memory: { mostBytes: 1e8, ranOut: false }
    })
    expect(fraction).toBeCloseTo(1 / 12, 10)
    // Half a shard in a minute, and five and a half are left.
    expect(secondsLeft).toBeCloseTo(11 * 60, 6)
  })

  it('has no time left for a search whose end nobody can tell, but what it has come to', async () => {
    for (const index of [0, 1, 2]) await finish(index)
    claimed(4, 1)
    reported(4, { secondsLeft: null, detail: '12 clusters; 300 of 920 tokens remain' })
    const { shards: found, secondsLeft } = await setStatus(folder, waiting)
    expect(found[4]).toMatchObject({ state: 'running', fraction: 0.5, secondsLeft: null })
    expect(found[4].detail).toBe('12 clusters; 300 of 920 tokens remain')
    expect(secondsLeft).toBeNull()
    claimed(3, 1)
    reported(3)
    expect((await setStatus(folder, waiting)).secondsLeft).toBeNull()
  })

  it('sees a result that was written again', async () => {
    await finish(0)
    damage(0)
    expect((await states())[0]).toBe('damaged')
    rmSync(resultPath(folder, 0))
    await finish(0)
    expect((await states())[0]).toBe('done')
  })

  it('asks Slurm whether an attempt is over, of its own cluster only', async () => {
    const programs = path('bin')
    mkdirSync(programs)
    writeFileSync(join(programs, 'scontrol'), '#!/bin/sh\necho "ClusterName             = c"\n')
    writeFileSync(join(programs, 'squeue'), '#!/bin/sh\necho "12_1 RUNNING"; echo "12_2 PENDING"\n')
    for (const name of ['scontrol', 'squeue']) chmodSync(join(programs, name), 0o755)
    for (const [shard, cluster] of [
      [1, 'c'],
      [2, 'c'],
      [3, 'c'],
      [4, 'other']
    ] as const)
      claimed(shard, 0, { attempt: { task: `slurm ${cluster} 12_${shard}`, number: 0 } })
    const before = process.env['PATH']
    process.env['PATH'] = `${programs}:${before ?? ''}`
    try {
      expect((await states()).slice(1, 5)).toEqual(['running', 'lost', 'lost', 'running'])
    } finally {
      process.env['PATH'] = before
    }
  })

  it('says all that is missing in one sentence and in lists, and nothing where all are done', async () => {
    for (const shard of [0, 1, 2, 3]) await finish(shard)
    damage(1)
    damage(3)
    claimed(4, 100)
    const error = missingError(await status())!
    expect(error.kind).toBe('usage')
    expect(error.message).toBe(
      `4 of 6 shards of ${folder} are not done (lost: 4; damaged: 1,3; waiting: 5); start those not running with ` +
        `\`sbatch --array=1,3-5 ${folder}/sbatch.sh\`, or here with \`spectroscope shards run ${folder} 1\` ` +
        'and so on.'
    )
    expect(error.details).toMatchObject({
      missing: [4, 1, 3, 5],
      states: { lost: [4], damaged: [1, 3], waiting: [5] },
      commands: [`sbatch --array=1,3-5 ${folder}/sbatch.sh`],
      here: `bash ${folder}/run-all.sh 1 3 4 5`
    })
    for (const shard of [4, 5]) await finish(shard)
    rmSync(join(shardFolder(folder, 4), 'claim.1'))
    const damaged = missingError(await status())!
    expect(damaged.kind).toBe('input')
    expect(damaged.message).toContain(`2 of 6 results in ${folder} are damaged (shards 1,3); `)
    for (const shard of [1, 3]) await finish(shard)
    expect(missingError(await status())).toBeUndefined()
  })
})

const readNamespace = (): string => {
  try {
    return execFileSync('readlink', ['/proc/self/ns/pid'], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

describe('a sentence about many shards', () => {
  it('names the command that shows the lines, where they would be cut', () => {
    const many = Array.from({ length: 400 }, (_, index) => ({
      index,
      share: 1 / 400,
      chains: 1,
      state: index % 2 === 0 ? ('done' as const) : ('waiting' as const),
      fraction: 0,
      host: null,
      pid: null,
      since: null,
      job: null,
      silentSeconds: null,
      detail: null,
      secondsLeft: null,
      memory: null
    }))
    const waiting = many.flatMap(({ index, state }) => (state === 'waiting' ? [index] : []))
    const commands = [`sbatch --array=${indexRanges(waiting)} /f/sbatch.sh`]
    const status = { folder: '/f', set: 's', shards: many, fraction: 0, secondsLeft: null, commands, here: null }
    const error = missingError(status)!
    expect(error.message).toContain(
      'start those not running with the lines of `spectroscope shards status /f`, or here'
    )
    expect(error.details).toMatchObject({ commands, missing: waiting })
  })
})

describe('memory', () => {
  it('of this process is read, and its limit is the least that is set', () => {
    expect(memoryUsed()).toBeGreaterThan(2e7)
    expect(memoryLimit({ SLURM_MEM_PER_NODE: '150' }, 0)).toBe(150 * 2 ** 20)
    expect(memoryLimit({ SLURM_MEM_PER_CPU: '100', SLURM_CPUS_ON_NODE: '2' }, 150 * 2 ** 20)).toBe(150 * 2 ** 20)
    expect(memoryLimit({ SLURM_MEM_PER_NODE: '0' }, 2 ** 60)).toBeNull()
  })

  it('kills are counted as both versions of control groups say', () => {
    writeFileSync(path('events'), 'low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n')
    writeFileSync(path('control'), 'oom_kill_disable 0\nunder_oom 0\noom_kill 4\n')
    expect(memoryKills([path('nowhere'), path('events')])).toBe(2)
    expect(memoryKills([path('control')])).toBe(4)
    expect(memoryKills([path('nowhere')])).toBe(0)
  })

  it.each([
    ['lost near its limit', () => claimed(3, 100), { mostBytes: 140e6, limitBytes: 157e6, ranOut: false }, true],
    ['lost far from its limit', () => claimed(3, 100), { mostBytes: 60e6, limitBytes: 157e6, ranOut: false }, false],
    ['at work near its limit', () => claimed(3, 10), { mostBytes: 140e6, limitBytes: 157e6, ranOut: false }, false],
    [
      'ended because of it',
      () => mkdirSync(shardFolder(folder, 3), { recursive: true }),
      { mostBytes: 100e6, limitBytes: null, ranOut: true },
      true
    ]
  ])('of a shard %s is told', async (_, before, memory, ranOut) => {
    before()
    reported(3, { memory })
    const { shards, commands } = await status()
    expect(shards[3].memory).toEqual({ ...memory, ranOut })
    const mebibytes = Math.ceil((2 * Math.max(memory.mostBytes, memory.limitBytes ?? 0)) / 2 ** 20)
    const more = commands.filter((command) => command.includes('--array=3 '))
    expect(more).toEqual(ranOut ? [`sbatch --array=3 --mem=${mebibytes}M ${folder}/sbatch.sh`] : [])
    if (ranOut) expect(missingError(await status())!.message).toContain('Shard 3 ran out of memory: it used 1')
  })

  it('is reported while a shard is worked on, with how far it is', async () => {
    mkdirSync(shardFolder(folder, 2), { recursive: true })
    const reporter = new ShardReporter(folder, 2)
    await reporter.open()
    reporter.progress(0.25, 30)
    await reporter.close()
    const report = (await readReport(folder, 2))!
    expect(report).toMatchObject({ host: hostname(), pid: process.pid, fraction: 0.25, secondsLeft: 30 })
    expect(report.memory.mostBytes).toBeGreaterThan(2e7)
    expect(isNearLimit({ mostBytes: 9, limitBytes: 10, ranOut: false })).toBe(true)
    expect(isNearLimit({ mostBytes: 9, limitBytes: null, ranOut: false })).toBe(false)
    await reporter.remove()
    expect(await readReport(folder, 2)).toBeNull()
  })
})

describe('what is queued', () => {
  it('names indices by ranges, and tasks by their job', () => {
    expect(indexRanges([5, 0, 1, 2, 7, 8])).toBe('0-2,5,7-8')
    expect(taskWords('slurm c 12_3')).toBe('Slurm 12_3')
    expect(taskWords('kubernetes pod 3')).toBe('kubernetes pod 3')
  })

  it('asks for memory by class, where shards differ much', () => {
    const mixed = shardSet({
      shards: withMemory([100, 110, 500, 120, 90, 510].map((mebibytes) => mebibytes * 2 ** 20))
    })
    expect([...taskMemory(mixed)].sort(([a], [b]) => a - b).map(([, memory]) => memory)).toEqual([
      150, 150, 638, 150, 150, 638
    ])
    expect(runCommands('/f', mixed, [0, 2, 3])).toEqual([
      'sbatch --array=0,3 --mem=150M /f/sbatch.sh',
      'sbatch --array=2 --mem=638M /f/sbatch.sh'
    ])
    expect(submitScript(mixed, { atOnce: 2 })).toContain(
      'sbatch --array=0-1,3-4%2 --mem=150M --output="${folder//%/%%}/logs/%a.log" "$@" "$folder/sbatch.sh" || exit\n'
    )
    expect(sbatchScript(mixed, {})).toContain('#SBATCH --mem=638M\n')
    expect(runCommands('/f', shardSet({ shards: withMemory([9, 9, 9, 9, 9, 9]) }), [1])).toEqual([
      'sbatch --array=1 /f/sbatch.sh'
    ])
  })

  it('has several shards a task where an array is small', () => {
    const two = shardSet({
      shards: withMemory([100, 100, 100, 900, 100, 100].map((mebibytes) => mebibytes * 2 ** 20)),
      perTask: 2
    })
    expect(sbatchScript(two, {})).toContain('#SBATCH --array=0-2%3\n')
    expect(runCommands('/f', two, [1, 3, 5])).toEqual([
      'sbatch --array=0,2 --mem=125M /f/sbatch.sh',
      'sbatch --array=1 --mem=1125M /f/sbatch.sh'
    ])
  })

  it('has tasks of their own for shards that wait for others, queued after those', () => {
    expect(runCommands('/f', waiting, [0, 2, 3, 5])).toEqual([
      'jobs=$(sbatch --parsable --array=0-1 /f/sbatch.sh) && sbatch --dependency=afterok:$jobs --array=2-3 /f/sbatch.sh'
    ])
    expect(runCommands('/f', waiting, [4])).toEqual(['sbatch --array=2 /f/sbatch.sh'])
    expect(sbatchScript(waiting, {})).toContain('#SBATCH --array=0-1%2\n')
    expect([null, 6, 5, 4, 3, 2].map((most) => perTaskFor(waiting, most))).toEqual([1, 1, 2, 2, 3, 3])
    expect(perTaskFor({ shards }, 3)).toBe(2)
  })

  it('leaves shards that wait for others which are at work', async () => {
    claimed(0, 3)
    const check = (_: string, __: unknown, shard: number): Promise<'none' | 'done'> =>
      Promise.resolve(shard === 1 || shard === 2 ? 'done' : 'none')
    const status = await setStatus(folder, waiting, check)
    expect([status.commands, status.here]).toEqual([[], `bash ${folder}/run-all.sh 3 4 5`])
    expect(missingError(status)!.message).toContain('wait for those that are running; the others need them.')
  })
})

describe('scripts of a folder that was moved', () => {
  /** A program that says what it was started with. */
  const program = (): string => {
    writeFileSync(path('say program'), `#!/bin/bash\nprintf '%s\\n' "$*" >>${quotedPath('said')}\n`)
    chmodSync(path('say program'), 0o755)
    return path('say program')
  }
  const quotedPath = (name: string): string => `'${path(name)}'`
  const said = (): string[] => readFileSync(path('said'), 'utf8').trim().split('\n')

  const made = (own: ScriptSet = set): string => {
    const here = path("it's 50 % new")
    mkdirSync(path('made', 'shards'), { recursive: true })
    for (const [name, text] of [
      ['sbatch.sh', sbatchScript(own, {})],
      ['run-all.sh', plainScript(own, { launcher: 'false' })],
      ['submit.sh', submitScript(own, {})]
    ] as const)
      writeFileSync(path('made', name), text)
    cpSync(path('made'), here, { recursive: true })
    rmSync(path('made'), { recursive: true })
    return here
  }

  it('find it: without Slurm beside themselves, with a program of a path with spaces or of several words', () => {
    const here = made()
    execFileSync('bash', [join(here, 'run-all.sh'), '2', '4'], { env: { ...process.env, SPECTROSCOPE: program() } })
    expect(said()).toEqual([`shards run ${here} 2 --no-wait`, `shards run ${here} 4 --no-wait`])
    execFileSync('bash', [join(here, 'run-all.sh'), '0'], {
      env: { ...process.env, SPECTROSCOPE: `bash '${path('say program')}' --with` }
    })
    expect(said().at(-1)).toBe(`--with shards run ${here} 0 --no-wait`)
  })

  it.each([
    ['one shard a task', set, '2', [2]],
    ['four a task', shardSet({ shards, perTask: 4 }), '1', [4, 5]],
    ['the last that wait for nothing', waiting, '1', [2]],
    ['the first that wait', waiting, '2', [3, 4]],
    ['the last that wait', waiting, '3', [5]]
  ] as const)("find it: by the job's command or a variable, as Slurm runs a copy (%s)", (_, own, task, shards) => {
    const here = made(own)
    mkdirSync(path('bin'))
    mkdirSync(path('spool'))
    copyFileSync(join(here, 'sbatch.sh'), path('spool', 'slurm_script'))
    writeFileSync(
      path('bin', 'scontrol'),
      `#!/bin/bash\nprintf 'JobId=9\\n   Command=%s/sbatch.sh\\n   WorkDir=/\\n' "$WHERE"\n`
    )
    chmodSync(path('bin', 'scontrol'), 0o755)
    const environment = {
      ...process.env,
      PATH: `${path('bin')}:${process.env['PATH'] ?? ''}`,
      SPECTROSCOPE: program(),
      SLURM_JOB_ID: '9',
      SLURM_ARRAY_TASK_ID: task,
      SLURM_CPUS_PER_TASK: '1',
      SLURM_SUBMIT_DIR: folder
    }
    const expected = shards.map((shard) => `shards run ${here} ${shard} --threads 1`)
    execFileSync('bash', [path('spool', 'slurm_script')], { env: { ...environment, WHERE: here } })
    expect(said()).toEqual(expected)
    execFileSync('bash', [path('spool', 'slurm_script')], {
      env: { ...environment, WHERE: '/nowhere', SPECTROSCOPE_FOLDER: here }
    })
    expect(said()).toEqual([...expected, ...expected])
    expect(() =>
      execFileSync('bash', [path('spool', 'slurm_script')], { env: { ...environment, WHERE: '/nowhere' } })
    ).toThrow(expect.objectContaining({ status: 2 }))
    expect(readFileSync(path('spectroscope-9.log'), 'utf8')).toContain('was not found from job 9')
  })

  it('is queued by its script, with the options that are given', () => {
    const here = made()
    mkdirSync(path('bin'))
    writeFileSync(
      path('bin', 'sbatch'),
      `#!/bin/bash\nprintf '%s\\n' "$SPECTROSCOPE_FOLDER" "$@" >>${quotedPath('said')}\n`
    )
    chmodSync(path('bin', 'sbatch'), 0o755)
    execFileSync('bash', [join(here, 'submit.sh'), '--partition=long'], {
      env: { ...process.env, PATH: `${path('bin')}:${process.env['PATH'] ?? ''}` }
    })
    expect(said()).toEqual([
      here,
      '--array=0-5',
      `--output=${path("it's 50 %% new")}/logs/%a.log`,
      '--partition=long',
      join(here, 'sbatch.sh')
    ])
    rmSync(path('said'))
    rmSync(here, { recursive: true })
    made(waiting)
    writeFileSync(path('bin', 'sbatch'), `#!/bin/bash\necho "$1 $2" >>${quotedPath('said')}; echo '17;cluster'`)
    const environment = { ...process.env, PATH: `${path('bin')}:${process.env['PATH'] ?? ''}` }
    const words = execFileSync('bash', [join(here, 'submit.sh')], { env: environment, encoding: 'utf8' })
    expect(words).toContain('Submitted batch job 17; the search for local clusters waits for it.')
    expect(said()).toEqual(['--parsable --array=0-1', '--dependency=afterok:17 --array=2-3'])
  })
})
