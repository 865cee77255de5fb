import type { z } from 'zod'
import { modernised, parseConfiguration } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import { issueWords, telling } from '../../preload/issues'
import { briefly } from '../../preload/quoting'
import type { ClusterNumber } from '../../preload/records'
import { readGroups } from './annotated-groups'
import type { ReadGroups, Stretch } from './annotated-groups'
import {
  blockSchema,
  clusterSchema,
  documentSchema,
  headSchemas,
  listLimits,
  memberSchema,
  rowSchema,
  setFormat,
  setVersion,
  sinceVersion1,
  vocabularySchema
} from './annotated-set'
import type { SetBlock, SetCluster, SetHead, SetMember } from './annotated-set'
import { JsonReader } from '../base/json-reader'
import { GrowingArray } from './growing-array'

const again = 'export it again'

interface ReadHead extends Omit<SetHead, 'configuration' | 'version'> {
  readonly configuration: RunConfiguration
  readonly version: number
}

/** A file without its matrix, checked for consistency. */
export interface ReadSet extends ReadGroups {
  readonly head: ReadHead
  readonly documents: readonly z.output<typeof documentSchema>[]
  readonly vocabulary: ReadonlyMap<number, string>
  /** Rows that have members, by number. */
  readonly rows: ReadonlyMap<number, z.output<typeof rowSchema>>
  /** In file order. */
  readonly clusters: readonly SetCluster[]
  /** Row and position of every token of the file. */
  readonly tokenRows: Int32Array
  readonly tokenPositions: Int32Array
}

const checked = <S extends z.ZodType>(reader: JsonReader, schema: S, value: unknown): z.output<S> => {
  const parsed = schema.safeParse(value, { reportInput: true })
  if (parsed.success) return parsed.data
  const issue = telling(parsed.error.issues[0])
  throw reader.fault(issueWords(issue), 'correct it, or export it again', issue.path)
}

/** Error for a file that is not a set. It names what the file says it is, if anything. */
const foreign = (reader: JsonReader, format: unknown): Error => {
  const named = typeof format === 'string' ? ` (its format is "${briefly(format)}")` : ''
  const isRun = format === 'spectroscope run'
  const what = isRun ? 'this is the run.json of an export as json' : `this is not an annotated cluster set${named}`
  return reader.fault(what, 'give a file that `export --format annotated` wrote')
}

/** Checks the format and version before anything else, wherever they are in the file. Returns the version. */
const checkFormat = (file: string): Promise<number> =>
  JsonReader.read(file, async (reader) => {
    if (!(await reader.isObject())) throw foreign(reader, undefined)
    let format: unknown
    let version: unknown
    for await (const key of reader.keys()) {
      if (key === 'format') format = await reader.value()
      else if (key === 'version') version = await reader.value()
      else await reader.skip()
      if (format !== undefined && format !== setFormat) throw foreign(reader, format)
      if (format !== undefined && version !== undefined) break
    }
    if (format === undefined) throw foreign(reader, format)
    if (typeof version !== 'number') throw reader.fault('it has no version', again)
    if (version > setVersion)
      throw reader.fault(
        `it was written by a newer program (version ${version} of the format; this one reads ${setVersion})`,
        'update this program'
      )
    if (!Number.isInteger(version) || version < 1) throw reader.fault(`its version ${version} is unknown`, again)
    return version
  })

const base64Bytes = (text: string): number =>
  (text.length / 4) * 3 - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)

const checkBlock = (
  reader: JsonReader,
  { first, count, susceptibilities, standardErrors }: SetBlock,
  expected: number
): number => {
  if (first !== expected) throw reader.fault(`its first token is ${first}, not ${expected}`, again, ['first'])
  const width = base64Bytes(susceptibilities) / 4 / count
  if (!Number.isInteger(width) || susceptibilities.length !== standardErrors.length)
    throw reader.fault('it does not hold the numbers of its tokens', again)
  return width
}

class SetReader {
  readonly #head: Record<string, unknown> = {}
  readonly #documents: z.output<typeof documentSchema>[] = []
  readonly #vocabulary = new Map<number, string>()
  readonly #rows = new Map<number, z.output<typeof rowSchema>>()
  readonly #clusters: Stretch[] = []
  readonly #tokens = new GrowingArray(Int32Array)
  readonly #tokenRows = new GrowingArray(Int32Array)
  readonly #positions = new GrowingArray(Int32Array)
  readonly #ids = new GrowingArray(Int32Array)
  readonly #strengths = new GrowingArray(Float32Array)
  /** Strengths in the groups above, and where each token's end. */
  readonly #strengthsAbove = new GrowingArray(Float32Array)
  readonly #endsAbove = new GrowingArray(Int32Array)
  readonly #seen = new Set<string>()
  #matrixTokens = 0
  #matrixWidth = -1

  constructor(
    private readonly reader: JsonReader,
    private readonly version: number
  ) {}

  /** A piece of the file, upgraded to the current version. */
  #modern(piece: keyof typeof sinceVersion1, value: unknown): unknown {
    return this.version === 1 ? sinceVersion1[piece](value) : value
  }

  /** Throws if a list has no room for an entry. */
  #checkRoom(list: keyof typeof listLimits, entry: number): void {
    const most = listLimits[list]
    const tokens = list === 'members' ? this.#tokens.length : 0
    if (entry + tokens < most) return
    const what = `there are more ${list} than the ${most.toLocaleString('en')} allowed`
    throw this.reader.fault(what, again)
  }

  async #list<S extends z.ZodType>(
    list: keyof typeof listLimits,
    schema: S,
    keep: (value: z.output<S>) => void,
    modern = (value: unknown): unknown => value
  ): Promise<void> {
    for await (const entry of this.reader.entries()) {
      this.#checkRoom(list, entry)
      keep(checked(this.reader, schema, modern(await this.reader.value())))
    }
  }

  async #members(): Promise<void> {
    const keep = ({ token, row, position, id, strength, strengthsAbove }: SetMember): void => {
      this.#tokens.push(token)
      this.#tokenRows.push(row)
      this.#positions.push(position)
      this.#ids.push(id)
      this.#strengths.push(strength ?? Number.NaN)
      for (const above of strengthsAbove) this.#strengthsAbove.push(above)
      this.#endsAbove.push(this.#strengthsAbove.length)
    }
    await this.#list('members', memberSchema, keep, (value) => this.#modern('member', value))
  }

  async #readClusters(): Promise<void> {
    const numbers = new Set<number>()
    for await (const entry of this.reader.entries()) {
      this.#checkRoom('clusters', entry)
      const head: Record<string, unknown> = {}
      const first = this.#tokens.length
      if (!(await this.reader.isObject())) throw this.reader.fault('a cluster is expected', again)
      for await (const key of this.reader.keys()) {
        if (key === 'members') await this.#members()
        else head[key] = await this.reader.value()
      }
      const summary = checked(this.reader, clusterSchema, this.#modern('cluster', head))
      const end = this.#tokens.length
      const isAbove = summary.kind === 'neighbourhood' || summary.kind === 'region'
      if (numbers.has(summary.cluster)) throw this.reader.fault(`cluster ${summary.cluster} comes twice`, again)
      if (isAbove && end > first) {
        throw this.reader.fault(`a ${summary.kind} has the members of its clusters, and none of its own`, again)
      }
      if (!isAbove && (summary.size !== end - first || end === first)) {
        throw this.reader.fault(`its size is ${summary.size}, and it has ${end - first} members`, again)
      }
      const isLeftover = summary.kind === 'main body' || summary.kind === 'unclustered'
      if (isLeftover !== summary.cluster < 0) {
        throw this.reader.fault(`cluster ${summary.cluster} cannot be of kind "${summary.kind}"`, again)
      }
      numbers.add(summary.cluster)
      this.#clusters.push({ summary, first, end })
    }
  }

  async #readMatrix(): Promise<void> {
    for await (const key of this.reader.keys()) {
      if (key !== 'blocks') throw this.reader.fault('this key is unknown', again)
      await this.#list('blocks', blockSchema, (block) => {
        const width = checkBlock(this.reader, block, this.#matrixTokens)
        if (this.#matrixWidth >= 0 && width !== this.#matrixWidth)
          throw this.reader.fault('it does not hold the numbers of its tokens', again)
        this.#matrixWidth = width
        this.#matrixTokens += block.count
      })
    }
  }

  async #part(key: string): Promise<void> {
    switch (key) {
      case 'documents':
        return this.#list('documents', documentSchema, (document) => this.#documents.push(document))
      case 'vocabulary':
        return this.#list('vocabulary', vocabularySchema, ({ id, text }) => this.#vocabulary.set(id, text))
      case 'rows':
        return this.#list('rows', rowSchema, (row) => this.#rows.set(row.row, row))
      case 'clusters':
        return this.#readClusters()
      case 'matrix':
        return this.#readMatrix()
      default:
        if (!Object.hasOwn(headSchemas, key)) throw this.reader.fault('this key is unknown', again)
        this.#head[key] = checked(
          this.reader,
          headSchemas[key as keyof SetHead],
          this.#modernHead(key, await this.reader.value())
        )
    }
  }

  /** Value of a header key, upgraded to the current version. The version was checked before. */
  #modernHead(key: string, value: unknown): unknown {
    if (key === 'version') return setVersion
    if (key === 'configuration') return modernised(value)
    return key === 'clustering' ? this.#modern('clustering', value) : value
  }

  /** Rows and positions in the order of token numbers, which must be 0, 1, … row by row. */
  #places(): { tokenRows: Int32Array; tokenPositions: Int32Array } {
    const { reader } = this
    const count = this.#tokens.length
    const [tokenRows, tokenPositions] = [new Int32Array(count).fill(-1), new Int32Array(count)]
    const [rows, positions, ids] = [this.#tokenRows.values, this.#positions.values, this.#ids.values]
    this.#tokens.values.forEach((token, at) => {
      if (token >= count || tokenRows[token] >= 0)
        throw reader.fault(`token ${token} occurs twice, or others are missing`, again, ['clusters'])
      const row = this.#rows.get(rows[at])
      if (row === undefined)
        throw reader.fault(`token ${token} is in row ${rows[at]}, which does not exist`, again, ['rows'])
      if (positions[at] < 1 || row.ids[positions[at]] !== ids[at])
        throw reader.fault(`token ${token} is not what row ${rows[at]} has at position ${positions[at]}`, again, [
          'clusters'
        ])
      tokenRows[token] = rows[at]
      tokenPositions[token] = positions[at]
    })
    for (let token = 1; token < count; token++) {
      const inOrder =
        tokenRows[token] > tokenRows[token - 1] ||
        (tokenRows[token] === tokenRows[token - 1] && tokenPositions[token] > tokenPositions[token - 1])
      if (!inOrder) throw reader.fault(`token ${token} is out of order`, again, ['clusters'])
    }
    return { tokenRows, tokenPositions }
  }

  #checkAgreement(head: SetHead, places: { tokenRows: Int32Array }): void {
    const { reader } = this
    const width = head.components.length
    const count = places.tokenRows.length
    if (count === 0) throw reader.fault('it has no tokens', again, ['clusters'])
    if (this.#matrixTokens !== count || this.#matrixWidth !== width) {
      throw reader.fault(
        `it is of ${this.#matrixTokens} tokens × ${Math.max(0, this.#matrixWidth)} components, ` +
          `and the file has ${count} × ${width}`,
        again,
        ['matrix']
      )
    }
    const lastRow = places.tokenRows[count - 1]
    if (head.run.probeRows <= lastRow) {
      throw reader.fault(`there cannot be ${head.run.probeRows} rows`, again, ['run', 'probeRows'])
    }
    this.#clusters.forEach(({ summary: { profile } }, at) => {
      const widths = [profile.mean.length, profile.standardDeviation.length]
      if (widths.every((each) => each === width)) return
      throw reader.fault('it is not of as many components as the file', again, ['clusters', at, 'profile'])
    })
  }

  /** Checks that merges, parts and selections refer to what the file has, and each merge to groups of one kind. */
  #checkLabels({ merges, parts, selections }: SetHead, { groups, leftover }: ReadGroups): void {
    const { reader } = this
    const known = new Map(
      [...groups, ...(leftover === undefined ? [] : [leftover])].map((group) => [group.summary.cluster, group])
    )
    merges.forEach(({ clusters }, at) => {
      const missing = clusters.find((cluster) => !known.has(cluster))
      if (missing !== undefined) throw reader.fault(`there is no cluster ${missing}`, again, ['merges', at])
      const kinds = new Set(
        clusters.flatMap((cluster) => (cluster < 0 ? ['cluster'] : [known.get(cluster)!.summary.kind]))
      )
      const levels = [...kinds].join(', ')
      if (kinds.size > 1) throw reader.fault(`it is of groups of several levels (${levels})`, again, ['merges', at])
    })
    const members = new Map<ClusterNumber, ReadonlySet<number>>()
    parts.forEach(({ cluster, tokens }, at) => {
      const own = members.get(cluster) ?? new Set(known.get(cluster)?.members)
      members.set(cluster, own)
      if (tokens.every((token) => own.has(token))) return
      throw reader.fault(`its tokens are not in cluster ${cluster}`, again, ['parts', at])
    })
    selections.forEach(({ tokens }, at) => {
      const missing = tokens.find((token) => token >= this.#tokens.length)
      if (missing !== undefined) throw reader.fault(`there is no token ${missing}`, again, ['selections', at])
      if (tokens.some((token, place) => place > 0 && token <= tokens[place - 1]))
        throw reader.fault('its tokens are not in ascending order', again, ['selections', at])
    })
  }

  async read(): Promise<ReadSet> {
    const { reader } = this
    for await (const key of reader.keys()) {
      this.#seen.add(key)
      await this.#part(key)
    }
    await reader.end()
    if (this.version < 3 && !this.#seen.has('selections')) {
      this.#seen.add('selections')
      this.#head.selections = []
    }
    const missing = [...Object.keys(headSchemas), 'documents', 'vocabulary', 'rows', 'clusters', 'matrix'].find(
      (key) => !this.#seen.has(key)
    )
    if (missing !== undefined) throw reader.fault(`"${missing}" is missing`, again)
    const head = this.#head as unknown as SetHead
    const places = this.#places()
    this.#checkAgreement(head, places)
    const lists = {
      tokens: this.#tokens.values,
      strengths: this.#strengths.values,
      strengthsAbove: this.#strengthsAbove.values,
      endsAbove: this.#endsAbove.values
    }
    const groups = readGroups(this.#clusters, lists, (message, at) => reader.fault(message, again, ['clusters', at]))
    this.#checkLabels(head, groups)
    return {
      head: { ...head, version: this.version, configuration: parseConfiguration(head.configuration, reader.file) },
      documents: this.#documents,
      vocabulary: this.#vocabulary,
      rows: this.#rows,
      clusters: this.#clusters.map(({ summary }) => summary),
      ...groups,
      ...places
    }
  }
}

/**
 * Reads an annotated cluster set, except for the numbers of its matrix, and checks that it is consistent. The file
 * may have any size and order of keys. Throws an `input` error that names the file, the place and the remedy.
 */
export const readAnnotatedSet = async (file: string): Promise<ReadSet> => {
  const version = await checkFormat(file)
  return JsonReader.read(file, (reader) => new SetReader(reader, version).read())
}

const floats = (reader: JsonReader, text: string, count: number): Float32Array => {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== 4 * count) throw reader.fault('it does not hold the numbers of its tokens', again)
  return new Float32Array(Uint8Array.from(bytes).buffer)
}

/**
 * Reads the matrix of a file that `readAnnotatedSet` has accepted, block by block in the order of tokens. Both arrays
 * are [n, components].
 */
export const readSetMatrix = (
  file: string,
  width: number,
  take: (susceptibilities: Float32Array, standardErrors: Float32Array) => Promise<void>
): Promise<void> =>
  JsonReader.read(file, async (reader) => {
    for await (const key of reader.keys()) {
      if (key !== 'matrix') {
        await reader.skip()
        continue
      }
      for await (const _ of reader.keys()) {
        for await (const __ of reader.entries()) {
          const { count, susceptibilities, standardErrors } = checked(reader, blockSchema, await reader.value())
          await take(floats(reader, susceptibilities, count * width), floats(reader, standardErrors, count * width))
        }
      }
    }
  })
