import { writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { annotationBodySchema, targetSchema } from '../../preload/contract-annotations'
import type { AnnotationBody, AnnotationTarget, RunMarks } from '../../preload/contract-annotations'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import { freeName, stamp, writeFileAtomically, writingError } from '../base/files'
import { makePlainFolder, openPlain, readPlain } from '../base/plain-files'

/** Changes of a step. `before` or `after` is null if the target had or has no annotation. */
export interface AnnotationsStep {
  readonly clustering: number
  readonly changes: readonly {
    readonly target: AnnotationTarget
    readonly before: AnnotationBody | null
    readonly after: AnnotationBody | null
  }[]
}

export interface MarksStep {
  readonly clustering: null
  readonly changes: readonly [{ readonly target: 'run'; readonly before: RunMarks; readonly after: RunMarks }]
}

/**
 * A line of the journal file: a step, or an undo or redo of one. `changes` lead from the state before this line to
 * the state after it. `line` counts all lines from 1; `number` is that of the step. `id` is chosen by the caller to
 * identify the request.
 */
export type JournalLine = StepHead & { readonly line: number; readonly id: string | null } & (
    AnnotationsStep | MarksStep
  )

/** A change before it becomes a line. */
export type Act = StepHead & (AnnotationsStep | MarksStep)

interface StepHead {
  readonly kind: 'step' | 'undo' | 'redo'
  readonly number: number
  readonly at: string
  readonly author: string
  readonly words: string
  readonly run: string
}

const marksSchema = z.object({ name: z.string(), archived: z.boolean(), deleted: z.boolean() })
const common = {
  line: z.int().min(1),
  id: z.string().nullable(),
  kind: z.enum(['step', 'undo', 'redo']),
  number: z.int().min(1),
  at: z.iso.datetime(),
  author: z.string(),
  words: z.string(),
  run: z.string()
}
const lineSchema = z.union([
  z.object({
    ...common,
    clustering: z.null(),
    changes: z.tuple([z.object({ target: z.literal('run'), before: marksSchema, after: marksSchema })])
  }),
  z.object({
    ...common,
    clustering: z.int().min(1),
    changes: z.array(
      z.object({
        target: targetSchema,
        before: annotationBodySchema.nullable(),
        after: annotationBodySchema.nullable()
      })
    )
  })
])

const parseLine = (text: string): JournalLine | undefined => {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

export const journalPath = (folder: string): string => join(folder, 'journal', 'labels.jsonl')

const newline = 0x0a

export interface PlacedLine {
  readonly line: JournalLine
  readonly text: string
  /** Offset of the byte after its newline in the file. */
  readonly ends: number
}

/** Content of a journal file: its lines, and the positions of unreadable ones, counted from 1. */
export interface JournalContent {
  readonly lines: readonly PlacedLine[]
  readonly unreadable: readonly number[]
}

/**
 * A complete last line counts even without its newline. An incomplete one was cut off by a crash before it was
 * acknowledged.
 */
const contentOf = (bytes: Buffer): JournalContent => {
  const lines: PlacedLine[] = []
  const unreadable: number[] = []
  for (let from = 0, place = 1; from < bytes.length; place++) {
    const at = bytes.indexOf(newline, from)
    const to = at < 0 ? bytes.length : at
    const text = bytes.toString('utf8', from, to)
    const line = parseLine(text)
    if (line !== undefined) lines.push({ line, text, ends: to + 1 })
    else if (at >= 0 && text.trim() !== '') unreadable.push(place)
    from = to + 1
  }
  return { lines, unreadable }
}

/** Beginning of every journal line. */
const lineStart = '{"line":'

/** Throws a `workspace` error if a non-empty file has no journal line, not even an incomplete one. */
const refuseForeign = (path: string, { lines, unreadable }: JournalContent, bytes: Buffer): void => {
  if (lines.length > 0) return
  const last = bytes.toString('utf8', bytes.lastIndexOf(newline) + 1).trim()
  if (unreadable.length === 0 && (last.startsWith(lineStart) || lineStart.startsWith(last))) return
  const remedy = 'move it elsewhere, and it is rewritten from the database'
  throw new SpectroscopeError(
    'workspace',
    `${path} is not a journal of this program and was left unchanged; ${remedy}.`
  )
}

/**
 * Reads a journal file without changing it. A missing file has no lines. Throws a `storage` error if it cannot be
 * read, and a `workspace` error if it is a link.
 */
export const readJournal = async (
  path: string,
  read: (path: string) => Promise<Buffer> = readPlain
): Promise<JournalContent> => {
  try {
    return contentOf(await read(path))
  } catch (error) {
    if (error instanceof SpectroscopeError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { lines: [], unreadable: [] }
    const sentence = `${path} cannot be read (${messageOf(error)}); change its permissions.`
    throw new SpectroscopeError('storage', sentence, { cause: error })
  }
}

/**
 * The journal file, which makes every change of labels recoverable without the database. It has one JSON object per
 * line, each synced to disk before the change is acknowledged. Lines missing from the database, after a crash or when
 * an older copy was restored, are replayed from it.
 */
export class JournalFile {
  #handle: FileHandle
  #size: number

  private constructor(
    readonly path: string,
    handle: FileHandle,
    size: number
  ) {
    this.#handle = handle
    this.#size = size
  }

  /**
   * Opens the journal of a workspace folder, creating it if needed. Removes a last line that a crash cut off. Throws
   * a `workspace` error if the file is a link or not a journal.
   */
  static async open(folder: string): Promise<JournalFile> {
    const path = journalPath(folder)
    await makePlainFolder(join(folder, 'journal'))
    try {
      const handle = await openPlain(path, 'r+').catch(async (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        await writeFileAtomically(path, '')
        return openPlain(path, 'r+')
      })
      const { size } = await handle.stat()
      const journal = new JournalFile(path, handle, size)
      try {
        if (size > 0) await journal.#endLine()
      } catch (error) {
        await handle.close()
        throw error
      }
      return journal
    } catch (error) {
      throw writingError(path, error)
    }
  }

  async #endLine(): Promise<void> {
    const last = Buffer.alloc(1)
    await this.#handle.read(last, 0, 1, this.#size - 1)
    if (last[0] === newline) return
    const bytes = await readPlain(this.path)
    const content = contentOf(bytes)
    refuseForeign(this.path, content, bytes)
    const start = bytes.lastIndexOf(newline) + 1
    if (parseLine(bytes.toString('utf8', start)) !== undefined) await this.#write('\n')
    // If other lines are unreadable too, keep the last one as well. `rebuildAnnotations` later keeps a copy of the
    // file.
    else if (content.unreadable.length === 0) await this.#cut(start)
  }

  async #cut(size: number): Promise<void> {
    await this.#handle.truncate(size)
    await this.#handle.sync()
    this.#size = size
  }

  async #write(text: string): Promise<void> {
    const bytes = Buffer.from(text, 'utf8')
    for (let at = 0; at < bytes.length;) {
      at += (await this.#handle.write(bytes, at, bytes.length - at, this.#size + at)).bytesWritten
    }
    await this.#handle.datasync()
    this.#size += bytes.length
  }

  /** Reads the journal. Throws a `workspace` error if the file is not a journal. */
  async read(): Promise<JournalContent> {
    const bytes = await readPlain(this.path)
    const content = contentOf(bytes)
    refuseForeign(this.path, content, bytes)
    return content
  }

  /** The line between two byte offsets of the file; undefined if there is none. */
  async lineBetween(start: number, end: number): Promise<JournalLine | undefined> {
    if (end <= start || end > this.#size) return undefined
    const bytes = Buffer.alloc(end - start)
    await this.#handle.read(bytes, 0, bytes.length, start)
    return parseLine(bytes.toString('utf8'))
  }

  /**
   * Appends a line and syncs it to disk. Returns its end offset. Throws a `storage` error if it cannot be written.
   */
  async append(line: JournalLine): Promise<number> {
    const start = this.#size
    try {
      await this.#write(`${JSON.stringify(line)}\n`)
    } catch (error) {
      await this.#cut(start).catch(() => {})
      throw writingError(this.path, error)
    }
    return this.#size
  }

  /**
   * Replaces the content of the file. With `keep`, leaves the old content beside it under a new name and returns
   * that.
   */
  async replace(texts: readonly string[], { keep }: { readonly keep: boolean }): Promise<string | null> {
    try {
      const kept = keep ? await freeName(this.path.replace(/\.jsonl$/, `-${stamp()}.jsonl`)) : null
      if (kept !== null) await writeFile(kept, await readPlain(this.path), { flag: 'wx' })
      await writeFileAtomically(
        this.path,
        texts.map((text) => `${text}\n`)
      )
      await this.#handle.close()
      this.#handle = await openPlain(this.path, 'r+')
      this.#size = (await this.#handle.stat()).size
      return kept
    } catch (error) {
      throw writingError(this.path, error)
    }
  }

  /** Removes the last line, which begins at `start`, because the database could not store it. */
  async takeBack(start: number): Promise<void> {
    await this.#cut(start)
  }

  get size(): number {
    return this.#size
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
