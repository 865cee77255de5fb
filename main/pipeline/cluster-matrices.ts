import { join } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { writeFileAtomically } from '../base/files'
import { checkFile, readSection, sectionBlocks, withFile } from '../base/section-file'
import { noiseOf, shapelessMatrix, spreadOf } from '../clustering/shapeless'
import type { Variant } from '../clustering/variants'
import { variantsOf } from './cluster-set'
import type { MatricesOf } from './messages'

const format = { magic: 'SPECMTRX', version: 1 }

export const matricesFolder = 'matrices'
const matrixPath = (folder: string, name: string): string => join(folder, matricesFolder, name)
const noises = 'noises'

/** Writes a matrix of a set, [tokens, components], from blocks of its rows. */
export const writeMatrix = (
  folder: string,
  { fingerprint }: Pick<MatricesOf, 'fingerprint'>,
  name: string,
  blocks: Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>
): Promise<void> => writeFileAtomically(matrixPath(folder, name), sectionBlocks(format, { fingerprint }, blocks))

const readInto = async <A extends ArrayBufferView>(
  folder: string,
  { fingerprint }: MatricesOf,
  name: string,
  into: A
): Promise<A> => {
  const path = matrixPath(folder, name)
  const isRead = await withFile(path, async (file) => {
    const { header, start, end } = await checkFile(file, format)
    if ((JSON.parse(header.toString()) as MatricesOf).fingerprint !== fingerprint || end - start !== into.byteLength)
      throw new Error('is from another set')
    await readSection(file, start, into)
    return true
  })
  if (isRead !== true) {
    throw new SpectroscopeError(
      'input',
      `${path} is missing, damaged or from another set; run \`spectroscope cluster --shards\` again, ` +
        'which rewrites it and keeps finished shards.'
    )
  }
  return into
}

const readMatrix = (folder: string, of: MatricesOf, name: string): Promise<Float32Array> =>
  readInto(folder, of, name, new Float32Array(new SharedArrayBuffer(4 * of.tokens * of.components.length)))

/**
 * Measures the noise in each half of the draws and writes it beside the matrices. The cloud without clusters is made
 * from it (docs/method.md, section 5.4).
 */
export const writeNoises = async (folder: string, of: MatricesOf): Promise<void> => {
  const whole = await readMatrix(folder, of, 'whole')
  const spread = spreadOf(whole, of.components.length)
  const found: Float64Array[] = []
  for (const { kind, name } of variantsOf(of.parts))
    if (kind === 'half') found.push(noiseOf(spread, whole, await readMatrix(folder, of, name)))
  await writeMatrix(folder, of, noises, found)
}

/**
 * Reads or computes the matrix of a variant, [tokens, components] in shared memory. Throws an `input` error that
 * names a missing or damaged file.
 */
export const matrixOf = async (folder: string, of: MatricesOf, variant: Variant): Promise<Float32Array> => {
  if (variant.kind !== 'shapeless') return readMatrix(folder, of, variant.name)
  const {
    components: { length: width },
    parts,
    tokens,
    seed
  } = of
  const halves = variantsOf(parts).filter(({ kind }) => kind === 'half').length
  const all = await readInto(folder, of, noises, new Float64Array(halves * width * width))
  const each = Array.from({ length: halves }, (_, half) =>
    all.subarray(half * width * width, (half + 1) * width * width)
  )
  return shapelessMatrix(
    spreadOf(await readMatrix(folder, of, 'whole'), width),
    { noises: each, parts, tokens, seed },
    variant.parts
  )
}
