import { serveTasks } from '../base/pool'
import { executeTask } from './tasks'

serveTasks(executeTask)
