import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { planTfjs, removeTfjs } from '../../main/engine/devices/tfjs/install'
import { canInstallTfjs, openTfjsGpu, tensorflowFolder } from '../../main/engine/devices/tfjs/installation'
import { addonName, installedPackage } from '../../main/engine/devices/tfjs/package'
import { type Installer, fetchWheel, findInstaller } from '../../main/engine/devices/tfjs/pip'
import { type Wheel, cudaWheels, tensorflowWheel } from '../../main/engine/devices/tfjs/wheels'
import { pathWithDriver } from '../nuget-feed'

const lack =
  process.platform !== 'linux' || process.arch !== 'x64'
    ? 'TensorFlow has a wheel with GPUs for Linux on x64 only'
    : spawnSync('python3', ['-m', 'pip', '--version']).status === 0
      ? undefined
      : 'there is no pip here'

const never = new AbortController().signal
const pip: Installer = { kind: 'pip', command: ['python3', '-m', 'pip'] }

let root: string
beforeAll(() => (root = mkdtempSync(join(tmpdir(), 'spectroscope-pip-'))))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A program of that name, first in PATH. */
const program = (name: string, script: string): void => {
  const path = join(root, 'bin', name)
  mkdirSync(join(root, 'bin'), { recursive: true })
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}
const onlyPrograms = (...scripts: readonly (readonly [string, string])[]): void => {
  rmSync(join(root, 'bin'), { recursive: true, force: true })
  for (const [name, script] of scripts) program(name, script)
}

describe.skipIf(lack !== undefined)(`a wheel${lack === undefined ? '' : ` (skipped: ${lack})`}`, () => {
  let place: string
  let wheel: Wheel
  const inWheel = {
    'made/lib/libmade.so.2': 'a library',
    'made/lib/setup.py': 'raise SystemExit("run")',
    'made-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: made\nVersion: 1.0\n',
    'made-1.0.dist-info/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n',
    'made-1.0.dist-info/RECORD': ''
  }

  beforeAll(() => {
    const file = join(root, 'index', 'made-1.0-py3-none-any.whl')
    mkdirSync(join(root, 'index'))
    const script =
      'import json, sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:\n for n, ' +
      't in json.loads(sys.argv[2]).items(): z.writestr(n, t)'
    execFileSync('python3', ['-c', script, file, JSON.stringify(inWheel)])
    const content = readFileSync(file)
    wheel = {
      name: 'made',
      version: '1.0',
      sha256: createHash('sha256').update(content).digest('hex'),
      bytes: content.length,
      unpacked: 9,
      folder: 'made',
      isKept: (path) => path.endsWith('.so.2')
    }
  })
  beforeEach(() => {
    place = mkdtempSync(join(root, 'place-'))
    // What a person has set for pip holds.
    vi.stubEnv('PIP_NO_INDEX', '1')
    vi.stubEnv('PIP_FIND_LINKS', join(root, 'index'))
  })
  afterEach(() => vi.unstubAllEnvs())

  const fetched = (own: Wheel, installer = pip, signal = never): Promise<void> =>
    fetchWheel(installer, own, place, { signal, onBytes: () => {} })

  it('is fetched by the pip that is here, and only its libraries are kept', async () => {
    await fetched(wheel)
    expect(readdirSync(place, { recursive: true }).sort()).toEqual(['made', 'made/lib', 'made/lib/libmade.so.2'])
    expect(readFileSync(join(place, 'made', 'lib', 'libmade.so.2'), 'utf8')).toBe('a library')
  })

  it('is fetched by uv where that is what is here', async () => {
    onlyPrograms(['uv', `while [ "$1" != --target ]; do shift; done\npython3 -m zipfile -e ${root}/index/*.whl "$2"`])
    await fetched(wheel, { kind: 'uv', command: [join(root, 'bin', 'uv')] })
    expect(readdirSync(place, { recursive: true }).sort()).toEqual(['made', 'made/lib', 'made/lib/libmade.so.2'])
  })

  it('is refused where its hash is another than the known one, or there is none, and nothing is left', async () => {
    await expect(fetched({ ...wheel, sha256: '0'.repeat(64) })).rejects.toMatchObject({
      kind: 'network',
      message: expect.stringMatching(/^python3 -m pip could not fetch made 1\.0 \(.*\); see that it reaches its index/)
    })
    await expect(fetched({ ...wheel, version: '2.0' })).rejects.toMatchObject({
      kind: 'network',
      message: expect.stringMatching(/No matching distribution found for made==2\.0/)
    })
    await expect(fetched({ ...wheel, isKept: () => false })).rejects.toMatchObject({
      kind: 'network',
      message: expect.stringMatching(/made 1\.0 is damaged: none of its libraries is in it/)
    })
    expect(readdirSync(place)).toEqual([])
  })

  it('is not there where its download is stopped, and whatever downloads it ends', async () => {
    const started = join(place, 'started')
    onlyPrograms(['pip', `sleep 1000 & echo $! > ${started}.tmp; mv ${started}.tmp ${started}; wait`])
    const controller = new AbortController()
    const fetching = fetched(wheel, { kind: 'pip', command: [join(root, 'bin', 'pip')] }, controller.signal)
    await vi.waitUntil(() => existsSync(started), { timeout: 300_000 })
    controller.abort()
    await expect(fetching).rejects.toMatchObject({ kind: 'interrupted' })
    const sleeping = Number(readFileSync(started, 'utf8'))
    const isAlive = (): boolean =>
      existsSync(`/proc/${sleeping}/stat`) && !/\) Z /.test(readFileSync(`/proc/${sleeping}/stat`, 'utf8'))
    await vi.waitUntil(() => !isAlive(), { timeout: 300_000 })
    expect(readdirSync(place)).toEqual(['started'])
    await expect(fetched(wheel, pip, controller.signal)).rejects.toMatchObject({ kind: 'interrupted' })
  })
})

describe.skipIf(lack !== undefined)('an installation of TensorFlow', () => {
  beforeEach(() => {
    vi.stubEnv('SPECTROSCOPE_ENGINES', mkdtempSync(join(root, 'engines-')))
    vi.stubEnv('SPECTROSCOPE_TFJS_DEVICE', '')
    onlyPrograms(['pip', 'exit 0'], ['g++', 'exit 0'], ['nvidia-smi', 'exit 9'])
    vi.stubEnv('PATH', join(root, 'bin'))
  })
  afterEach(() => vi.unstubAllEnvs())

  const put = (wheels: readonly Wheel[]): void => {
    for (const { folder } of wheels) mkdirSync(join(tensorflowFolder(), folder), { recursive: true })
  }
  const withDriver = (version: string): void =>
    void vi.stubEnv('PATH', `${pathWithDriver(join(root, 'driver'), version).split(':')[0]}:${join(root, 'bin')}`)

  it('says first how much it downloads, and that there is no GPU', async () => {
    const plan = await planTfjs(never)
    expect(plan).toMatchObject({ bytes: tensorflowWheel.bytes, folder: tensorflowFolder(), whole: false })
    expect(plan.words).toMatch(
      /Your pip downloads 0\.6 GB from its index \(PyPI\), whose checksums are compared; that takes 1\.3 GB of disk/
    )
    expect(plan.words).toMatch(/addon is compiled.*There is no NVIDIA GPU here, so CUDA is left out/)
    expect(await canInstallTfjs()).toBe(false)
    await expect(openTfjsGpu()).rejects.toThrow(/There is no NVIDIA GPU here/)
  })

  it('brings CUDA 12 for a GPU whose driver is new enough, and fetches nothing that is there already', async () => {
    withDriver('570.12')
    expect((await planTfjs(never)).words).toMatch(/with CUDA 12 and cuDNN 9 .*downloads 3\.3 GB .* 5\.6 GB of disk/)
    expect(await canInstallTfjs()).toBe(true)
    await expect(openTfjsGpu()).rejects.toThrow(/not installed; `spectroscope engines install tfjs` fetches it/)
    put([tensorflowWheel, ...cudaWheels.slice(1)])
    expect((await planTfjs(never)).bytes).toBe(cudaWheels[0].bytes)
    writeFileSync(join(tensorflowFolder(), addonName(installedPackage())), '')
    await expect(openTfjsGpu()).rejects.toThrow(/^nvidia-cublas-cu12, which TensorFlow needs, is not installed/)
    put(cudaWheels)
    onlyPrograms()
    expect(await planTfjs(never)).toMatchObject({ whole: true, bytes: 0 })
    expect(await canInstallTfjs()).toBe(false)
    await removeTfjs()
    expect(existsSync(tensorflowFolder())).toBe(false)
    withDriver('470.12')
    await expect(planTfjs(never)).rejects.toThrow(/driver is 470\.12 and CUDA 12 needs 525\.60\.13 at least/)
  })

  it('says what is missing that it needs: pip or uv, and a compiler', async () => {
    onlyPrograms(['g++', 'exit 0'])
    await expect(planTfjs(never)).rejects.toThrow(/neither pip nor uv here.*install one/)
    onlyPrograms(['uv', 'exit 0'])
    expect((await findInstaller()).kind).toBe('uv')
    await expect(planTfjs(never)).rejects.toThrow(/no C\+\+ compiler here.*apt-get install g\+\+.*CXX/)
    vi.stubEnv('CXX', 'my-compiler')
    await expect(planTfjs(never)).rejects.toThrow(/no C\+\+ compiler here named my-compiler/)
  })

  it('says what a compiler says that fails, leaves no addon, and goes on from there', async () => {
    put([tensorflowWheel])
    const install = async (): Promise<void> =>
      (await planTfjs(never)).install({ signal: never, onProgress: () => {}, onNote: () => {} })
    onlyPrograms(['g++', '[ "$1" = --version ] || { echo "x.cc:1: error: no such thing" >&2; exit 1; }'])
    await expect(install()).rejects.toThrow(/g\+\+ could not compile .*exit code 1: x\.cc:1: error: no such thing\)/)
    expect(readdirSync(tensorflowFolder())).toEqual(['tensorflow'])
    onlyPrograms(['g++', 'while [ $# -gt 0 ] && [ "$1" != -o ]; do shift; done; [ $# = 0 ] || : > "$2"'])
    await install()
    expect(await planTfjs(never)).toMatchObject({ whole: true, bytes: 0 })
  })
})
