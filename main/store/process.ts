import { serveParent } from '../base/processes'
import type { StoreProcess } from './client'
import { answer, service } from './service'
import { StoreSession } from './session'

const session = new StoreSession()
const retries = Object.fromEntries(Object.entries(service).map(([name, { retry }]) => [name, retry]))

process.title = 'spectroscope store'
serveParent<StoreProcess>(
  {
    open: async (options) => {
      try {
        return { ...(await session.open(options)), retries }
      } catch (error) {
        throw session.failed(error)
      }
    },
    call: ({ method, parameters, id }) => answer(session, method, parameters, id)
  },
  () => session.close()
)
