import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportRun } from '../../main/exchange/export'
import { trustWorkspace } from '../../main/api/trust'
import { withWorkspace } from '../../main/api/workspaces'
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
    return { files, record, neighbours: await opened.getNeighbours(id, 8, true) }
  })

/** A workspace of the run without clusters. */
const copyFor = async (name: string): Promise<string> => {
  cpSync(path('sampled'), path(name), { recursive: true })
  await trustWorkspace(path(name))
  return path(name)
}

const filesOf = (pieces: string, index: number): string[] =>
  existsSync(path(pieces, 'pieces', String(index))) ? readdirSync(path(pieces, 'pieces', String(index))) : []

describe.skipIf(!isBuilt)('a clustering in pieces', () => {
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
        '--into',
        path(into),
        '--json'
      ])
    )
  const piece = (pieces: string, index: number): Started => start(['piece', path(pieces), String(index), ...often])
  const gather = (pieces: string, workspace: string): Promise<Finished> =>
    run(['gather', path(pieces), '--workspace', workspace])

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
    const { stdout } = await divide('acl', 3, workspace, 'acl-pieces')
    expect(JSON.parse(stdout)).toMatchObject({ folder: path('acl-pieces'), tokens: 920, neighbourPieces: 3 })
    const script = readFileSync(path('acl-pieces', 'sbatch.sh'), 'utf8')
    expect(script).toMatch(/^#SBATCH --array=0-2%3$/m)
    expect(script).toMatch(/^#SBATCH --mem=\d+M$/m)

    const early = await piece('acl-pieces', 4).finished
    expect(early.code).toBe(2)
    expect(early.stderr).toContain(`1 of 1 shards of ${path('acl-pieces')} are not done (waiting: 0)`)

    const killed = piece('acl-pieces', 0)
    await until(() => filesOf('acl-pieces', 0).some((name) => name.endsWith('.checkpoint')), 'a checkpoint of piece 0')
    killed.killAll()
    await killed.finished
    expect(filesOf('acl-pieces', 0)).toContain('claim.1')
    const stopped = piece('acl-pieces', 0)
    await stopped.said(/Neighbours/i)
    stopped.child.kill('SIGTERM')
    const { code, stderr } = await stopped.finished
    expect(
      code === 0 ||
        (code === 130 &&
          stderr.includes(`Shard 0 was interrupted; resume with: spectroscope piece ${path('acl-pieces')} 0`))
    ).toBe(true)

    await ok(start(['piece', path('acl-pieces'), '0']).finished)
    expect(filesOf('acl-pieces', 0)).toEqual(['result'])
    const half = await gather('acl-pieces', workspace)
    expect(half.code).toBe(2)
    expect(half.stderr).toContain(`of 9 shards of ${path('acl-pieces')} are not done (waiting: 1-8)`)
    for (let index = 1; index < 9; index++) await ok(piece('acl-pieces', index).finished)

    const result = path('acl-pieces', 'pieces', '7', 'result')
    const before = readFileSync(result)
    writeFileSync(result, before.subarray(0, before.length - 1))
    const damaged = await gather('acl-pieces', workspace)
    expect(damaged.code).toBe(4)
    expect(damaged.stderr).toContain(`${result} is missing or damaged; delete it and run shard 7 again.`)
    writeFileSync(result, before)
    await ok(gather('acl-pieces', workspace))
    expect(await numbersIn(workspace)).toEqual(expected.get('acl'))
    expect((await ok(gather('acl-pieces', workspace))).stderr).toContain('are already gathered as clustering ')
    expect(await numbersIn(workspace)).toEqual(expected.get('acl'))
  })

  it('by communities is that of one machine, and is divided once only', async () => {
    const workspace = await copyFor('communities')
    await divide('communities', 2, workspace, 'communities-pieces')
    await ok(run(['piece', path('communities-pieces'), '1']))
    const again = await divide('communities', 2, workspace, 'communities-pieces')
    expect(JSON.parse(again.stdout)).toMatchObject({ neighbourPieces: 2, pieces: [{ index: 0 }, { index: 1 }] })
    expect((await ok(run(['piece', path('communities-pieces'), '1']))).stdout).toContain('was already done')
    await ok(run(['piece', path('communities-pieces'), '0', '--threads', '1']))
    await ok(gather('communities-pieces', workspace))
    expect(await numbersIn(workspace)).toEqual(expected.get('communities'))
  })

  it('is refused with the reason and the remedy', async () => {
    const refused = async (args: readonly string[], code: number, words: string): Promise<void> => {
      const finished = await run(args)
      expect(finished.code).toBe(code)
      expect(finished.stderr).toContain(words)
    }
    const divided = ['cluster', 'latest', '--workspace', path('sampled'), '--into', path('communities-pieces')]
    await refused(
      [...divided, '--shards', '5'],
      2,
      'holds shards of another clustering, or the same one in 2 shards; choose another folder with --into.'
    )
    await refused(divided, 2, '--into is for a clustering in shards; give --shards too, or leave it out.')
    await refused(
      ['cluster', 'latest', '--workspace', path('sampled'), '--into', path('model'), '--shards', '5'],
      2,
      'is not empty'
    )
    const study = await writeStudy(path, { clustering: false, seed: 5 }, 'other.json')
    await ok(run(['run', study, '--workspace', path('other')]))
    await refused(
      ['gather', path('communities-pieces'), '--workspace', path('other')],
      4,
      'which this workspace does not have; name the one that has it with --workspace.'
    )
  })
})
