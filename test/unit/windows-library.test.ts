import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installedFolder, librariesFolder, libraryPath } from '../../main/engine/onnx/package'
import { readWindowsLibrary } from '../../main/engine/onnx/windows-library'
import { windowsLibrary } from '../windows-library'

const installed = (name: string): string => join(librariesFolder(installedFolder(), 'win32', 'x64'), name)

describe('a library for Windows', () => {
  let folder = ''
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'spectroscope-windows-'))))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const written = (bytes: Buffer): string => {
    const path = join(folder, 'library.dll')
    writeFileSync(path, bytes)
    return path
  }

  it('says what it needs at once and when it is called', async () => {
    expect(await readWindowsLibrary(installed('onnxruntime_binding.node'))).toEqual({
      needed: [
        'onnxruntime.dll',
        'KERNEL32.dll',
        'MSVCP140.dll',
        'VCRUNTIME140.dll',
        'VCRUNTIME140_1.dll',
        ...['runtime', 'string', 'math', 'heap'].map((part) => `api-ms-win-crt-${part}-l1-1-0.dll`)
      ],
      delayed: ['NODE.EXE']
    })
    const { needed, delayed } = await readWindowsLibrary(libraryPath('cpu', 'win32', 'x64'))
    expect(needed).toHaveLength(52)
    expect(needed).toEqual(expect.arrayContaining(['SETUPAPI.dll', 'MSVCP140_ATOMIC_WAIT.dll', 'VCRUNTIME140_1.dll']))
    expect(delayed).toEqual(['SHELL32.dll', 'DirectML.dll', 'd3d12.dll', 'dxgi.dll', 'USER32.dll'])
    expect((await readWindowsLibrary(installed('DirectML.dll'))).delayed).toEqual([])
    expect(
      await readWindowsLibrary(written(windowsLibrary({ needed: ['a.dll', 'b.dll'], delayed: ['c.dll'] })))
    ).toEqual({ needed: ['a.dll', 'b.dll'], delayed: ['c.dll'] })
    expect(await readWindowsLibrary(written(windowsLibrary({ needed: [] })))).toEqual({ needed: [], delayed: [] })
  })

  it('is refused where it is none, or one for another processor', async () => {
    await expect(
      readWindowsLibrary(join(librariesFolder(installedFolder(), 'linux', 'x64'), 'onnxruntime_binding.node'))
    ).rejects.toThrow('it is no library for this platform')
    await expect(readWindowsLibrary(libraryPath('cpu', 'win32', 'arm64'))).rejects.toThrow(
      'it is no library for this platform'
    )
    await expect(readWindowsLibrary(written(Buffer.alloc(4096)))).rejects.toThrow('it is no library for this platform')
    await expect(readWindowsLibrary(written(Buffer.from('MZ')))).rejects.toThrow('it ends too early')
  })

  it('is refused with a reason wherever it is cut off, or a byte of its headers or directories is another', async () => {
    const whole = windowsLibrary({ needed: ['cudart64_13.dll', 'KERNEL32.dll'], delayed: ['cudnn64_9.dll'] })
    for (let bytes = 0; bytes < whole.length; bytes++)
      await expect(readWindowsLibrary(written(whole.subarray(0, bytes)))).rejects.toThrow(/^it |^its |^the name /)
    let refused = 0
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole)
      damaged[at] ^= 0xff
      await readWindowsLibrary(written(damaged)).catch((error: unknown) => {
        expect((error as Error).message).toMatch(/^it |^its |^the name /)
        refused++
      })
    }
    expect(refused).toBeGreaterThan(20)
  })

  it('is refused where its list of imports goes on beyond its section', async () => {
    const endless = Buffer.from(
      readFileSync(written(windowsLibrary({ needed: Array.from({ length: 3 }, () => 'a.dll') })))
    )
    // The section ends with the third of four entries.
    endless.writeUInt32LE(60, 64 + 24 + 240 + 16)
    await expect(readWindowsLibrary(written(endless))).rejects.toThrow(/outside of it|no end/)
  })
})
