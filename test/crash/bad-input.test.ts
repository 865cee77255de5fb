import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorKinds } from '../../preload/errors'
import type { ErrorKind } from '../../preload/errors'
import { quickClustering } from '../quick-chains'
import { tinyRows, tinyVocabulary, writeTinyModel } from '../tiny-model'
import { isBuilt, run, sampler, scratch, writeStudy } from './command'

const { path, remove } = scratch()
const workspace = path('workspace')

/** One sentence on standard error, the same in an object on standard output, and the exit code of its kind. */
const expectRefusal = async (
  args: readonly string[],
  kind: ErrorKind,
  ...parts: readonly (string | RegExp)[]
): Promise<void> => {
  const { code, stdout, stderr } = await run([...args, '--json'])
  expect({ code, stderr }).toMatchObject({ code: errorKinds[kind] })
  const lines = stderr.trim().split('\n')
  const sentence = lines[lines.length - 1]
  for (const part of parts) expect(sentence).toMatch(part)
  expect(sentence).toMatch(/\.$/)
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(JSON.parse(stdout)).toEqual({ error: { kind, message: sentence } })
}

const runs = async (): Promise<object[]> => {
  if (!existsSync(workspace)) return []
  const { stdout } = await run(['runs', '--workspace', workspace, '--json'])
  return (JSON.parse(stdout) as { runs: object[] }).runs
}

const refuse = async (
  name: string,
  changes: object,
  kind: ErrorKind,
  ...parts: readonly (string | RegExp)[]
): Promise<void> => {
  const study = await writeStudy(path, changes, `${name}.json`)
  await expectRefusal(['run', study, '--workspace', workspace], kind, ...parts)
  expect(await runs()).toEqual([])
  if (existsSync(path('workspace', 'runs'))) expect(readdirSync(path('workspace', 'runs'))).toEqual([])
}

const rowsFile = (name: string, rows: object): string => {
  writeFileSync(path(name), JSON.stringify(rows))
  return name
}

const rows = tinyRows({ sampling: 16, observation: 4, probe: 4, length: 8 })

afterAll(remove)

describe.skipIf(!isBuilt)('an engine that cannot be used', () => {
  it('is refused, and so is installing one that there is none of', async () => {
    await expectRefusal(
      ['engines', 'install', 'abacus'],
      'usage',
      /"abacus" cannot be installed; choose one of cuda, tfjs/
    )
    await refuse(
      'engine',
      { engine: 'tfjs-cpu' },
      'engine',
      /no engine "tfjs-cpu"; choose one of auto, onnx-cpu, onnx-cuda, .*reference/
    )
  })
})

describe.skipIf(!isBuilt)('a configuration that cannot be used', () => {
  it('is refused before a workspace is made', async () => {
    const good = { model: 'model', rows: 'rows.json' }
    await refuse(
      'unknown-key',
      { sampler: { ...sampler, nbeta: 3 } },
      'configuration',
      /unknown-key\.json: unknown key "sampler\.nbeta"/
    )
    await refuse('wrong-type', { seed: 'one' }, 'configuration', /"seed"/)
    await refuse('both', { ...good, corpus: { files: ['a.jsonl'] } }, 'configuration', /either "corpus" or "rows"/)
    await refuse(
      'component',
      { components: ['head:9.9'] },
      'configuration',
      /"head:9\.9"/,
      /embed, head:0\.0, head:0\.1, head:1\.0, head:1\.1, mlp:0, mlp:1, unembed/
    )
    await refuse('twice', { components: ['mlp:0', 'mlp:0'] }, 'configuration', /"mlp:0" is listed twice/)
    await refuse('no-model', { model: 'nowhere' }, 'input', /nowhere/)
    await refuse('no-rows', { rows: 'nowhere.json' }, 'input', /nowhere\.json/)
    await refuse('no-corpus', { rows: undefined, corpus: { files: ['nowhere.jsonl'] } }, 'input', /nowhere\.jsonl/)
    writeFileSync(path('broken.json'), '{"model": ')
    const broken = ['run', path('broken.json'), '--workspace', workspace]
    await expectRefusal(broken, 'configuration', /broken\.json is not valid JSON/)
    await expectRefusal(['run', path('absent.json'), '--workspace', workspace], 'input', /absent\.json does not exist/)
    expect(existsSync(workspace)).toBe(false)
  })

  it('leaves no run where its files turn out to be bad', async () => {
    await refuse(
      'short',
      { rows: rowsFile('short-rows.json', { ...rows, probe: [[1, 2, 3], [4]] }) },
      'input',
      /"probe"\[1\]/
    )
    await refuse(
      'foreign',
      { rows: rowsFile('foreign-rows.json', { ...rows, probe: [[1, tinyVocabulary]] }) },
      'input',
      new RegExp(`${tinyVocabulary}`)
    )
    await refuse('engine', { engine: 'abacus' }, 'engine', /"abacus"/)
    await writeTinyModel(path('nan'), {
      change: (name, values) => name === 'embed_out.weight' && values.fill(NaN, 5, 6)
    })
    await refuse('nan', { model: 'nan' }, 'input', /embed_out\.weight/)
    writeFileSync(path('empty.jsonl'), '')
    await refuse(
      'empty',
      { rows: undefined, corpus: { files: ['empty.jsonl'], rowLength: 8, sampling: 4, observation: 2, probe: 2 } },
      'input'
    )
    await writeTinyModel(path('narrow'))
    const tokenizer = JSON.parse(readFileSync(path('narrow', 'tokenizer.json'), 'utf8')) as {
      model: { vocab: Record<string, number>; merges: string[] }
    }
    tokenizer.model.vocab['the'.repeat(2)] = tinyVocabulary
    tokenizer.model.merges.push('the the')
    writeFileSync(path('narrow', 'tokenizer.json'), JSON.stringify(tokenizer))
    writeFileSync(path('words.jsonl'), `${JSON.stringify({ text: 'thethe the other '.repeat(40) })}\n`.repeat(20))
    await refuse(
      'narrow',
      {
        model: 'narrow',
        rows: undefined,
        corpus: { files: ['words.jsonl'], rowLength: 8, sampling: 16, observation: 4, probe: 4 }
      },
      'input',
      /tokenizer|vocabulary/
    )
  })
})

describe.skipIf(!isBuilt)('a workspace that cannot be used', () => {
  let study = ''
  beforeAll(async () => {
    study = await writeStudy(path)
  })

  it('is named in one sentence', async () => {
    writeFileSync(path('file'), 'not a workspace')
    await expectRefusal(['run', study, '--workspace', path('file')], 'workspace', path('file'))
    expect(readFileSync(path('file'), 'utf8')).toBe('not a workspace')
    mkdirSync(path('other'))
    writeFileSync(path('other', 'workspace.duckdb'), 'not a database')
    await expectRefusal(['runs', '--workspace', path('other')], 'workspace', path('other'))
    expect(readFileSync(path('other', 'workspace.duckdb'), 'utf8')).toBe('not a database')
    await expectRefusal(['runs', '--workspace', path('absent')], 'workspace', path('absent'))
    expect(existsSync(path('absent'))).toBe(false)
  })

  it('says what there is not', async () => {
    await expectRefusal(['show', 'latest', '--workspace', path('absent')], 'workspace')
    await expectRefusal(['show'], 'usage', /missing required argument/i)
    await expectRefusal(['paint'], 'usage', /paint/)
    await expectRefusal(['run', study, '--colour', 'red'], 'usage', /--colour/)
    await expectRefusal(['cluster', 'latest', '--neighbours', 'many'], 'usage', /neighbours/)
  })

  const mount = (folder: string, options: string): boolean => {
    mkdirSync(folder)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }
  const unmount = (folder: string): void => void execFileSync('umount', ['-l', folder])

  it('on a full disk keeps what was stored, and goes on once there is room', async (context) => {
    const disk = path('small-disk')
    if (!mount(disk, 'size=4m')) return context.skip('mounting a small disk needs root')
    try {
      writeFileSync(path('small-disk', 'ballast'), Buffer.alloc(2_500_000))
      const target = path('small-disk', 'workspace')
      const { code, stderr } = await run(['run', study, '--workspace', target, '--checkpoint-every', '0.05', '--json'])
      expect({ code, stderr }).toMatchObject({ code: errorKinds.storage })
      expect(stderr.trim().split('\n').at(-1)).toMatch(/space/)
      execFileSync('mount', ['-o', 'remount,size=200m', disk])
      const { runs: kept } = JSON.parse((await run(['runs', '--workspace', target, '--json'])).stdout) as {
        runs: { status: string }[]
      }
      expect(kept).toMatchObject([{ status: 'interrupted' }])
      expect((await run(['resume', 'latest', '--workspace', target])).code).toBe(0)
    } finally {
      unmount(disk)
    }
  })

  it('that is read-only can be read, and is not written', async (context) => {
    const disk = path('read-only-disk')
    if (!mount(disk, 'size=200m')) return context.skip('mounting a read-only disk needs root')
    try {
      const target = path('read-only-disk', 'workspace')
      const quick = await writeStudy(
        path,
        { sampler: { ...sampler, nBeta: 0, draws: 4, estimator: 'restricted' }, clustering: quickClustering },
        'quick.json'
      )
      expect((await run(['run', quick, '--workspace', target, '--name', 'kept'])).code).toBe(0)
      execFileSync('mount', ['-o', 'remount,ro', disk])
      expect((await run(['show', 'kept', '--workspace', target])).stdout).toContain('kept')
      await expectRefusal(['run', quick, '--workspace', target], 'workspace', /read-only/)
      await expectRefusal(['cluster', 'kept', '--neighbours', '5', '--workspace', target], 'workspace', /read-only/)
    } finally {
      unmount(disk)
    }
  })
})
