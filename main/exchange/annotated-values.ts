import { z } from 'zod'
import { text as textOf, limits } from '../../preload/limits'
import { runIdForm } from '../store/workspace-paths'

/** Larger integers cannot be bound as parameters of the database. */
const mostReal = Number.MAX_SAFE_INTEGER

export const real = z.number().min(-mostReal).max(mostReal)

/** JSON cannot represent numbers that are not finite. */
export const realOrNull = z.number().nullable().describe('null where it is not a finite number')

export const time = z.iso.datetime()

export const text = textOf(limits.text)

export const word = textOf(limits.word)

export const componentName = z
  .string()
  .max(limits.word)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9:._-]*$/,
    "a component's name has letters, digits and : . _ - only, a letter or digit first"
  )

export const componentNames = z
  .array(componentName)
  .min(1)
  .max(limits.components)
  .refine((names) => new Set(names).size === names.length, 'a component occurs twice')
  .meta({ uniqueItems: true })

export const runId = z.string().regex(runIdForm, 'it must be the id of a run, as in 20261122-101530-k3f9')

export const runName = textOf(limits.runName)

export const number = z.int().min(1).max(limits.numberInFile)

export const column = z.array(realOrNull).max(limits.components)

export const ofChain = z.array(realOrNull).max(limits.chains)

/** Lower and upper bound of a reliability: each holds with 90 % confidence. */
export const bounds = z.tuple([realOrNull, realOrNull])
