import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { checkedConfiguration, clusteringSchema } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import { sweepName, sweepSchema, sweepValuesSchema } from '../../preload/contract-sweeps'
import { SpectroscopeError } from '../../preload/errors'
import { limits, path } from '../../preload/limits'
import { briefly, brieflyAll } from '../../preload/quoting'
import { faultCode } from '../base/faults'
import { writeFileAtomically } from '../base/files'
import { makePlainFolder, openPlain } from '../base/plain-files'
import { newRunId, runIdForm, sweepsFolderOf } from '../store/workspace-paths'

const version = 1
const id = z.string().regex(runIdForm)
const place = z
  .int()
  .min(0)
  .max(limits.sweepMembers - 1)

const checked = z.unknown().transform((value, context): RunConfiguration => {
  const { configuration, issues } = checkedConfiguration(value)
  if (configuration !== null) return configuration
  context.addIssue({ code: 'custom', message: issues[0].message })
  return z.NEVER
})

/**
 * A sweep: which runs it has (those there before it by id, those made for it by their configurations), and which
 * clustering of which run each member is. It never changes. What has been done of it is seen from the runs.
 */
const recordSchema = z
  .strictObject({
    version: z.literal(version),
    id,
    name: sweepName,
    createdAt: z.iso.datetime(),
    settings: sweepSchema,
    base: place,
    runs: z
      .array(
        z.union([
          z.strictObject({ run: id }),
          z.strictObject({ name: sweepName, baseFolder: path, configuration: checked })
        ])
      )
      .min(1)
      .max(limits.sweepMembers),
    members: z
      .array(z.strictObject({ values: sweepValuesSchema, run: place, clustering: clusteringSchema }))
      .min(1)
      .max(limits.sweepMembers)
  })
  .refine(({ base, runs, members }) => base < members.length && members.every(({ run }) => run < runs.length))
export type SweepRecord = z.output<typeof recordSchema>

const mostBytes = 2 ** 24
const mostSweeps = 10_000

const refused = (file: string): SpectroscopeError =>
  new SpectroscopeError('input', `${file} is no sweep as this program writes them; move it away.`)

const readRecord = async (file: string): Promise<SweepRecord> => {
  const handle = await openPlain(file)
  try {
    if ((await handle.stat()).size > mostBytes) throw refused(file)
    const parsed = recordSchema.safeParse(JSON.parse(await handle.readFile('utf8')))
    if (parsed.success) return parsed.data
    throw refused(file)
  } catch (error) {
    throw error instanceof SyntaxError ? refused(file) : error
  } finally {
    await handle.close()
  }
}

/** The records of a workspace's sweeps, a file for each. */
export class SweepRecords {
  readonly #folder: string

  constructor(workspace: string) {
    this.#folder = sweepsFolderOf(workspace)
  }

  #file(sweep: string): string {
    if (!runIdForm.test(sweep)) throw new SpectroscopeError('input', `"${briefly(sweep)}" is not the id of a sweep.`)
    return join(this.#folder, `${sweep}.json`)
  }

  /** All sweeps, oldest first. Throws an `input` error for a file that this program did not write. */
  async list(): Promise<SweepRecord[]> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (faultCode(error) === 'ENOENT') return []
      throw error
    })
    const ids = names.flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : []))
    const own = ids
      .filter((each) => runIdForm.test(each))
      .sort()
      .slice(-mostSweeps)
    const records: SweepRecord[] = []
    for (const each of own) records.push(await readRecord(this.#file(each)))
    return records
  }

  /** By id. Throws an `input` error if there is none. */
  async get(sweep: string): Promise<SweepRecord> {
    return readRecord(this.#file(sweep)).catch((error: unknown) => {
      if (faultCode(error) !== 'ENOENT') throw error
      throw new SpectroscopeError('input', `There is no sweep ${sweep}; it may have been deleted.`)
    })
  }

  /** By id, the beginning of one, name, or "latest"; undefined if there is none. */
  async find(words: string): Promise<SweepRecord | undefined> {
    const all = await this.list()
    if (words === 'latest') return all.at(-1)
    const found = [
      all.filter((record) => record.id === words),
      all.filter(({ name }) => name === words),
      all.filter((record) => words !== '' && record.id.startsWith(words))
    ].find(({ length }) => length > 0)
    if (found === undefined || found.length === 1) return found?.[0]
    const those = `${found.length} sweeps (${brieflyAll(found.map((record) => record.id))})`
    throw new SpectroscopeError('input', `"${briefly(words)}" matches ${those}; give the id of one.`)
  }

  async keep(sweep: Omit<SweepRecord, 'version' | 'id' | 'createdAt'>): Promise<SweepRecord> {
    const now = new Date()
    const record = { version, id: newRunId(now), createdAt: now.toISOString(), ...sweep } as const
    await makePlainFolder(this.#folder)
    await writeFileAtomically(this.#file(record.id), `${JSON.stringify(record)}\n`)
    return record
  }

  /** Forgets a sweep. Its runs stay, and are in the list of runs again. */
  async remove(sweep: string): Promise<void> {
    await rm(this.#file(sweep), { force: true })
  }
}
