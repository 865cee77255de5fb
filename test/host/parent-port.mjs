// Gives a forked process what a utility process of Electron has: process.parentPort, and an end with its parent.
import { EventEmitter } from 'node:events'

const port = new EventEmitter()
// Messages wait until somebody listens.
port.once('newListener', () =>
  process.nextTick(() => process.on('message', (data) => port.emit('message', { data, ports: [] })))
)
process.on('disconnect', () => process.exit(0))
Object.defineProperty(process, 'parentPort', {
  value: Object.assign(port, {
    postMessage: (/** @type {object} */ message) => process.send?.(message, undefined, undefined, () => {})
  })
})
