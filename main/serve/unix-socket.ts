import { chmodSync, statSync } from 'node:fs'
import { lstat, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { dirname, resolve } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode, readingFault } from '../base/faults'

/** Path length that all systems support. Node silently truncates longer paths and listens elsewhere. */
const mostPathBytes = 103

const refusal = (path: string, words: string): SpectroscopeError =>
  new SpectroscopeError('usage', `--socket ${path}: ${words}.`)

/** Throws if another user could replace our socket. */
const checkFolder = (path: string): void => {
  const folder = dirname(path)
  try {
    const { uid, mode } = statSync(folder)
    if (uid !== process.getuid?.()) throw refusal(path, `${folder} is not yours; choose a path in one of your own`)
    if ((mode & 0o022) !== 0) {
      throw refusal(path, `others can write in ${folder}; choose another folder, or give \`chmod go-w ${folder}\``)
    }
  } catch (error) {
    throw error instanceof SpectroscopeError ? error : refusal(path, `${folder} ${readingFault(error)}; make it first`)
  }
}

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(path)
    socket
      .once('connect', () => done(true))
      .once('error', () => done(false))
      .once('connect', () => socket.destroy())
  })

/** Removes the socket of a program that has ended. Throws if it is in use, or is something else. */
const makeRoom = async (path: string): Promise<void> => {
  const there = await lstat(path).catch(() => undefined)
  if (there === undefined) return
  if (!there.isSocket()) throw refusal(path, 'another file exists there; choose another path')
  if (await isAnswered(path)) throw refusal(path, 'another program listens there; choose another path')
  await rm(path)
}

/**
 * Listens on a Unix socket that only this user can open. It is never open to others, because its mode is set before
 * its name exists. Returns the absolute path. Throws a `usage` error if this is not possible.
 */
export const listenOnSocket = async (server: Server, given: string): Promise<string> => {
  if (process.platform === 'win32') throw refusal(given, 'Windows does not support it; leave it out')
  const path = resolve(given)
  if (Buffer.byteLength(path) > mostPathBytes) throw refusal(given, 'its path is too long; choose a shorter one')
  checkFolder(path)
  await makeRoom(path)
  const mask = process.umask(0o177)
  try {
    await new Promise<void>((done, fail) => {
      server.once('error', fail)
      // The socket is bound before this returns, so the umask affects nothing else.
      server.listen(path, done)
      process.umask(mask)
    })
  } catch (error) {
    throw refusal(given, `it cannot be listened on (${faultCode(error)}); choose another path`)
  } finally {
    process.umask(mask)
  }
  chmodSync(path, 0o600)
  return path
}
