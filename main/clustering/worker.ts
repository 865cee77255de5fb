import { serveTasks } from '../base/pool'
import { executeTask } from './execute-task'

serveTasks(executeTask)
