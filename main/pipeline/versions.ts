import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { arch, platform, release } from 'node:os'
import { dirname, join } from 'node:path'
import { projectRoot } from '../base/entries'

const versionIn = (folder: string): string =>
  (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version

const packageVersion = (name: string): string => {
  for (let folder = projectRoot; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return versionIn(candidate)
    if (folder === dirname(folder)) return 'unknown'
  }
}

/** The program's version. */
export const programVersion: string = versionIn(projectRoot)

const buildPath = join(projectRoot, 'out', 'build.json')

const builtHash = (): string => (JSON.parse(readFileSync(buildPath, 'utf8')) as { hash: string }).hash.slice(0, 16)

/** The version with a hash of the built files, so that different builds have different values. */
export const buildVersion: string = existsSync(buildPath) ? `${programVersion}+${builtHash()}` : programVersion

/** Versions of the software that determines a run's numbers and files. */
export const versions = (): Readonly<Record<string, string>> => ({
  spectroscope: programVersion,
  node: process.versions.node,
  ...Object.fromEntries(['onnxruntime-node', '@duckdb/node-api'].map((name) => [name, packageVersion(name)]))
})

export const platformWords = (): string => `${platform()} ${release()} ${arch()}`

/** SHA-256 of a value's JSON, in hexadecimal. The order of keys matters. */
export const fingerprintOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex')
