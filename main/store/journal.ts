import { open, readFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { annotationBodySchema, targetSchema } from '../../preload/contract-annotations'
import type { AnnotationBody, AnnotationTarget, RunMarks } from '../../preload/contract-annotations'
import { makeFolder, writeFileAtomically, writingError } from '../base/files'

/** What a step did to one target; null where there was, or is, nothing. */
export interface AnnotationsStep {
  readonly clustering: number
  readonly changes: readonly { readonly target: AnnotationTarget; readonly before: AnnotationBody | null; readonly after: AnnotationBody | null }[]
}

export interface MarksStep {
  readonly clustering: null
  readonly changes: readonly [{ readonly target: 'run'; readonly before: RunMarks; readonly after: RunMarks }]
}

/**
 * A line of the journal file: a step, or a step taken back or done again; `changes` go from what was before this line to what is after it.
 * `line` counts all lines from 1; `number` is that of the step. `id` is the caller's own name for what it asked for.
 */
export type JournalLine = StepHead & { readonly line: number; readonly id: string | null } & (AnnotationsStep | MarksStep)

/** What is to become a line. */
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
  line: z.int().min(1), id: z.string().nullable(), kind: z.enum(['step', 'undo', 'redo']), number: z.int().min(1), at: z.iso.datetime(), author: z.string(),
  words: z.string(), run: z.string()
}
const lineSchema = z.union([
  z.object({ ...common, clustering: z.null(), changes: z.tuple([z.object({ target: z.literal('run'), before: marksSchema, after: marksSchema })]) }),
  z.object({
    ...common, clustering: z.int().min(1),
    changes: z.array(z.object({ target: targetSchema, before: annotationBodySchema.nullable(), after: annotationBodySchema.nullable() }))
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

/** Lines of a file from byte `start` on; where one ends that is whole, in bytes of the file, and nothing of a last one that is not. */
const linesFrom = (bytes: Buffer, start: number): { text: string; ends: number }[] => {
  const lines: { text: string; ends: number }[] = []
  for (let from = start, to = bytes.indexOf(newline, from); to >= 0; from = to + 1, to = bytes.indexOf(newline, from)) {
    lines.push({ text: bytes.toString('utf8', from, to), ends: to + 1 })
  }
  return lines
}

/**
 * The file that makes each change of labels recoverable beside the database: one JSON object a line, each on the disk before the change is
 * acknowledged. What the database lacks of it after a crash, or when an older copy of it was put back, is replayed from it.
 */
export class JournalFile {
  #size: number

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    size: number
  ) {
    this.#size = size
  }

  /** Opens the journal of a workspace folder, making it where it is missing; a last line that a crash cut off is removed. */
  static async open(folder: string): Promise<JournalFile> {
    const path = journalPath(folder)
    await makeFolder(join(folder, 'journal'))
    try {
      const handle = await open(path, 'r+').catch(async (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        await writeFileAtomically(path, '')
        return open(path, 'r+')
      })
      const { size } = await handle.stat()
      const journal = new JournalFile(path, handle, size)
      if (size > 0) await journal.#dropTorn()
      return journal
    } catch (error) {
      throw writingError(path, error)
    }
  }

  async #dropTorn(): Promise<void> {
    const last = Buffer.alloc(1)
    await this.handle.read(last, 0, 1, this.#size - 1)
    if (last[0] !== newline) await this.#cut((await readFile(this.path)).lastIndexOf(newline) + 1)
  }

  async #cut(size: number): Promise<void> {
    await this.handle.truncate(size)
    await this.handle.sync()
    this.#size = size
  }

  /** Lines after `line`, which ended at byte `ends` when it was written; those that cannot be read are passed over. */
  async after(line: number, ends: number): Promise<{ readonly line: JournalLine; readonly ends: number }[]> {
    if (this.#size === ends) return []
    const bytes = await readFile(this.path)
    const start = ends > 0 && ends < bytes.length && bytes[ends - 1] === newline ? ends : 0
    return linesFrom(bytes, start).flatMap(({ text, ends: end }) => {
      const parsed = parseLine(text)
      return parsed === undefined || parsed.line <= line ? [] : [{ line: parsed, ends: end }]
    })
  }

  /** Appends a line and waits until it is on the disk; returns where it ends. */
  async append(line: JournalLine): Promise<number> {
    const start = this.#size
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`, 'utf8')
    try {
      for (let at = 0; at < bytes.length;) at += (await this.handle.write(bytes, at, bytes.length - at, start + at)).bytesWritten
      await this.handle.datasync()
    } catch (error) {
      await this.#cut(start).catch(() => {})
      throw writingError(this.path, error)
    }
    this.#size = start + bytes.length
    return this.#size
  }

  /** Takes back the last line, which ended at `ends`, because the database could not take it. */
  async takeBack(start: number): Promise<void> {
    await this.#cut(start)
  }

  get size(): number {
    return this.#size
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}
