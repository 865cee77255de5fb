import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'

const root = mkdtempSync(join(tmpdir(), 'spectroscope-image-'))
afterAll(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))

interface Step {
  readonly instruction: string
  readonly words: string
}

const steps = readFileSync(join(projectRoot, 'docs', 'spectroscope.Dockerfile'), 'utf8')
  .split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('#'))
  .map((line): Step => {
    const [instruction, ...words] = line.split(' ')
    return { instruction, words: words.join(' ') }
  })

/** The files that `docker build` would be given, as far as they are the project's. */
const context = execFileSync('git', ['ls-files', '-z'], { cwd: projectRoot }).toString().split('\0').filter(Boolean)

/**
 * Does the steps of a Dockerfile as commands, a folder a stage in place of a container: COPY, ENV, WORKDIR and RUN.
 * Images are not fetched: the Node of this machine takes the place of theirs. Gives the folder of the last stage.
 */
const build = (): string => {
  let [stage, folder] = ['', '/']
  let environment: NodeJS.ProcessEnv = { ...process.env, npm_config_prefer_offline: 'true' }
  const stages = new Map<string, string>()
  const inStage = (path: string): string => join(stage, path.startsWith('/') ? path : join(folder, path))
  /** Absolute paths of a command, taken into the stage. */
  const rooted = (command: string): string =>
    command.replaceAll(/(^| )(\/\S+)/g, (_, space, path) => `${space}${stage}${path}`)
  const copy = (words: readonly string[]): void => {
    const target = words.at(-1)!
    const into = inStage(target)
    const from = words[0].startsWith('--from=') ? stages.get(words[0].slice('--from='.length))! : undefined
    for (const source of words.slice(from === undefined ? 0 : 1, -1)) {
      if (from !== undefined) {
        const place = target.endsWith('/') ? join(into, basename(source)) : into
        cpSync(join(from, source), place, { recursive: true, verbatimSymlinks: true })
        continue
      }
      for (const file of source === '.' ? context : [source]) {
        mkdirSync(dirname(join(into, file)), { recursive: true })
        cpSync(join(projectRoot, file), join(into, file))
      }
    }
  }
  for (const { instruction, words } of steps) {
    if (instruction === 'FROM') {
      const name = / AS (\S+)/i.exec(words)?.[1] ?? 'last'
      stage = join(root, name)
      folder = '/'
      for (const known of ['program', 'usr/local/bin']) mkdirSync(join(stage, known), { recursive: true })
      stages.set(name, stage)
    } else if (instruction === 'WORKDIR') folder = words
    else if (instruction === 'ENV') environment = { ...environment, [words.split('=')[0]]: words.split('=')[1] }
    else if (instruction === 'COPY') copy(words.split(' '))
    else if (instruction === 'RUN')
      execFileSync('sh', ['-ec', rooted(words)], { cwd: inStage(''), env: environment, stdio: 'pipe' })
    else if (instruction !== 'CMD') throw new Error(`${instruction} is not known to this test.`)
  }
  return stage
}

/** Whether a step failed for want of a registry of packages, which is no fault of the file. */
const isOffline = (error: unknown): boolean =>
  /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENOTCACHED/.test(String((error as { stderr?: unknown }).stderr))

/** It installs all packages twice more, which is too much for every run of the tests. */
const isAsked = process.env['SPECTROSCOPE_TEST_IMAGE'] === '1'
const skipped = isAsked ? '' : ' (skipped: set SPECTROSCOPE_TEST_IMAGE=1)'

describe.skipIf(!isAsked)(`the steps of the image for clusters${skipped}`, () => {
  it('make a program without Electron that runs by its name (no image is fetched or built)', (context) => {
    let stage = ''
    try {
      stage = build()
    } catch (error) {
      if (!isOffline(error)) throw error
      context.skip('there is no registry of packages here')
    }
    const program = join(stage, 'usr', 'local', 'bin', 'spectroscope')
    const help = execFileSync(program, ['shards', 'run', '--help']).toString()
    expect(help).toContain('--take-over')
    expect(execFileSync(program, ['engines', '--json']).toString()).toContain('"onnx-cpu"')
    expect(steps.at(-1)).toEqual({ instruction: 'CMD', words: '["spectroscope", "--help"]' })
  })
})
