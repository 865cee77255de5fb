import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportRun } from '../../main/exchange/export'
import { trustWorkspace } from '../../main/api/trust'
import { withWorkspace } from '../../main/api/workspaces'
import type { ClusterShardPlan, SetStatus } from '../../preload/shards'
import { isBuilt, run, scratch, start, until, writeStudy } from './command'
import type { Finished, Started } from './command'

const { path, remove } = scratch()
const often = ['--checkpoint-every', '0']
const settings = ['--neighbours', '8', '--min-size', '5']
const methods = {
  acl: ['--method', 'acl', '--max-rejections', '30', '--alpha', '0.05', '--epsilon', '1e-5'],
  communities: ['--method', 'communities', '--seeds', '2']
}
type Method = keyof typeof methods

const ok = async (finished: Promise<Finished>): Promise<Finished> => {
  const result = await finished
  expect({ code: result.code, stderr: result.stderr }).toMatchObject({ code: 0 })
  return result
}

/**
 * All that clustering puts into a workspace: clusters with stabilities and strengths, the clustering's record, and
 * neighbours.
 */
const numbersIn = (workspace: string): Promise<object> =>
  withWorkspace(workspace, 'read', async (opened) => {
    const { id, clusterings } = await opened.findRun('latest')
    const out = `${workspace}-export`
    await exportRun(opened, id, { format: 'npy', folder: out, overwrite: true })
    const files = Object.fromEntries(
      ['tokens.csv', 'clusters.json'].map((name) => [name, readFileSync(`${out}/${name}`, 'utf8')])
    )
    const { name: _, createdAt: __, ...record } = clusterings[0]
    expect(clusterings).toHaveLength(1)
    return { files, record, neighbours: await opened.getNeighbours(id, 8, 1) }
  })

/** A workspace of the run without clusters. */
const copyFor = async (name: string): Promise<string> => {
  cpSync(path('sampled'), path(name), { recursive: true })
  await trustWorkspace(path(name))
  return path(name)
}

const statusOf = async (into: string): Promise<SetStatus> =>
  JSON.parse((await ok(run(['shards', 'status', path(into), '--json']))).stdout) as SetStatus

const filesOf = (into: string, index: number): string[] =>
  existsSync(path(into, 'shards', String(index))) ? readdirSync(path(into, 'shards', String(index))) : []

describe.skipIf(!isBuilt)('a clustering in shards', () => {
  const expected = new Map<Method, object>()
  const divide = (method: Method, count: number, workspace: string, into: string): Promise<Finished> =>
    ok(
      run([
        'cluster',
        'latest',
        ...methods[method],
        ...settings,
        '--name',
        'divided',
        '--workspace',
        workspace,
        '--shards',
        String(count),
        '--setup',
        'module load node',
        '--launcher',
        'srun spectroscope',
        '--into',
        path(into),
        '--json'
      ])
    )
  const shard = (into: string, index: number): Started => start(['shards', 'run', path(into), String(index), ...often])
  const gather = (into: string, workspace: string): Promise<Finished> =>
    run(['gather', path(into), '--workspace', workspace])

  beforeAll(async () => {
    const study = await writeStudy(path, { clustering: false })
    await ok(run(['run', study, '--workspace', path('sampled')]))
    for (const method of ['acl', 'communities'] as const) {
      const workspace = await copyFor(`one-${method}`)
      await ok(run(['cluster', 'latest', ...methods[method], ...settings, '--workspace', workspace]))
      expected.set(method, await numbersIn(workspace))
    }
  })
  afterAll(remove)

  it('by local clusters is that of one machine, with a kill and a stop in between', async () => {
    const workspace = await copyFor('acl')
    const { stdout } = await divide('acl', 3, workspace, 'acl-shards')
    expect(JSON.parse(stdout)).toMatchObject({ folder: path('acl-shards'), tokens: 920, neighbourShards: 3 })
    const script = readFileSync(path('acl-shards', 'sbatch.sh'), 'utf8')
    expect(script).toContain('module load node\n')
    expect(script).toContain('srun spectroscope')
    expect(script).toMatch(/^#SBATCH --array=0-2%3$/m)
    expect(script).toMatch(/^#SBATCH --mem=\d+M$/m)

    const early = await shard('acl-shards', 4).finished
    expect(early.code).toBe(2)
    expect(early.stderr).toContain(`1 of 1 shards of ${path('acl-shards')} are not done (waiting: 0)`)

    const killed = shard('acl-shards', 0)
    await until(() => filesOf('acl-shards', 0).some((name) => name.endsWith('.checkpoint')), 'a checkpoint of shard 0')
    killed.killAll()
    await killed.finished
    expect(filesOf('acl-shards', 0)).toContain('claim.1')
    const lost = await statusOf('acl-shards')
    expect(lost.shards[0]).toMatchObject({ state: 'lost', job: null })
    expect(lost.shards[0].memory!.mostBytes).toBeGreaterThan(2e7)
    const stopped = shard('acl-shards', 0)
    await stopped.said(/Neighbours/i)
    stopped.child.kill('SIGTERM')
    const { code, stderr } = await stopped.finished
    expect(
      code === 0 ||
        (code === 130 &&
          stderr.includes(`Shard 0 was interrupted; resume with: spectroscope shards run ${path('acl-shards')} 0`))
    ).toBe(true)

    await ok(start(['shards', 'run', path('acl-shards'), '0']).finished)
    expect(filesOf('acl-shards', 0)).toEqual(['result'])
    const half = await gather('acl-shards', workspace)
    expect(half.code).toBe(2)
    expect(half.stderr).toContain(`of 9 shards of ${path('acl-shards')} are not done (waiting: 1-8)`)
    for (let index = 1; index < 9; index++) await ok(shard('acl-shards', index).finished)

    const result = path('acl-shards', 'shards', '7', 'result')
    const before = readFileSync(result)
    writeFileSync(result, before.subarray(0, before.length - 1))
    const damaged = await gather('acl-shards', workspace)
    expect(damaged.code).toBe(4)
    const { shards, fraction } = await statusOf('acl-shards')
    expect(shards.map(({ state }) => state).indexOf('damaged')).toBe(7)
    expect(fraction).toBeGreaterThan(0.5)
    expect(fraction).toBeLessThan(1)
    expect(damaged.stderr).toContain(`${result} is missing or damaged; delete it and run shard 7 again.`)
    writeFileSync(result, before)
    await ok(gather('acl-shards', workspace))
    expect(await numbersIn(workspace)).toEqual(expected.get('acl'))
    expect((await ok(gather('acl-shards', workspace))).stderr).toContain('are already gathered as clustering ')
    expect(await numbersIn(workspace)).toEqual(expected.get('acl'))
  })

  it('by communities is that of one machine, and is divided once only', async () => {
    const workspace = await copyFor('communities')
    const asked = ['cluster', 'latest', ...methods.communities, ...settings, '--workspace', workspace, '--plan']
    const plan = JSON.parse((await ok(run([...asked, '--shards', '2', '--json']))).stdout) as ClusterShardPlan
    expect(plan).toMatchObject({ tokens: 920, shards: 2, neighbourShards: 2, sensibleShards: 1, timeLimit: '00:10:00' })
    expect((await ok(run(asked))).stdout).toContain('--shards 1 --sbatch=--time=00:10:00')
    expect(existsSync(path('communities-shards'))).toBe(false)
    await divide('communities', 2, workspace, 'communities-shards')
    await ok(run(['shards', 'run', path('communities-shards'), '1']))
    const again = await divide('communities', 2, workspace, 'communities-shards')
    expect(JSON.parse(again.stdout)).toMatchObject({ neighbourShards: 2, shards: [{ index: 0 }, { index: 1 }] })
    expect((await ok(run(['shards', 'run', path('communities-shards'), '1']))).stdout).toContain('was already done')
    await ok(run(['shards', 'run', path('communities-shards'), '0', '--threads', '1']))
    await ok(gather('communities-shards', workspace))
    expect(await numbersIn(workspace)).toEqual(expected.get('communities'))
  })

  it('is refused with the reason and the remedy', async () => {
    const refused = async (args: readonly string[], code: number, words: string): Promise<void> => {
      const finished = await run(args)
      expect(finished.code).toBe(code)
      expect(finished.stderr).toContain(words)
    }
    const divided = ['cluster', 'latest', '--workspace', path('sampled'), '--into', path('communities-shards')]
    await refused(
      [...divided, '--shards', '5'],
      2,
      'holds shards of another clustering, or the same one in 2 shards; choose another folder.'
    )
    await refused(divided, 2, '--into needs --shards; add --shards, or omit the option.')
    await refused(
      ['cluster', 'latest', '--workspace', path('sampled'), '--into', path('model'), '--shards', '5'],
      2,
      'is not empty'
    )
    const study = await writeStudy(path, { clustering: false, seed: 5 }, 'other.json')
    await ok(run(['run', study, '--workspace', path('other')]))
    await refused(
      ['gather', path('communities-shards'), '--workspace', path('other')],
      4,
      'which this workspace does not have; name the one that has it with --workspace.'
    )
  })
})
