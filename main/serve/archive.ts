import { basename, join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Readable } from 'node:stream'
import { ZipFile } from 'yazl'
import { openIdentified } from '../base/files'
import type { FileIdentity, FolderIdentity } from '../base/files'

/** Files that deflating would not make smaller. */
const isCompact = (name: string): boolean => name.endsWith('.parquet')

const opened = async (path: string, file: FileIdentity): Promise<Readable> => {
  const handle = await openIdentified(path, file)
  if (handle === undefined) throw new Error(`${path} was changed while it was sent.`)
  return handle.createReadStream()
}

/** Whether every file of an exported folder is still the one that was written. */
const isUnchanged = async (folder: string, files: FolderIdentity): Promise<boolean> => {
  for (const [name, file] of files) {
    const handle = await openIdentified(join(folder, name), file)
    if (handle === undefined) return false
    await handle.close()
  }
  return true
}

/**
 * The files of an exported folder as a ZIP file that unpacks to a folder of the same name; undefined if any was
 * changed. Files are read one after another as the reader takes bytes, so memory does not grow with them. Fails
 * midway if a file changes meanwhile. A reader that stops early must destroy the stream.
 */
export const folderStream = async (folder: string, files: FolderIdentity): Promise<Readable | undefined> => {
  if (!(await isUnchanged(folder, files))) return undefined
  const zip = new ZipFile()
  const archive = new PassThrough()
  let current: Readable | undefined
  for (const [name, file] of files) {
    const options = { compress: !isCompact(name), mtime: new Date(Number(file.changedNs / 1_000_000n)), mode: 0o644 }
    zip.addReadStreamLazy(`${basename(folder)}/${name}`, options, (take) => {
      if (archive.destroyed) return
      opened(join(folder, name), file).then(
        (content) => {
          current = content
          take(null, content)
        },
        (error: unknown) => archive.destroy(error as Error)
      )
    })
  }
  zip.on('error', (error: Error) => archive.destroy(error))
  archive.on('close', () => current?.destroy())
  zip.end()
  zip.outputStream.pipe(archive)
  return archive
}
