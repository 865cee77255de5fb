import { z } from 'zod'
import { limits, path, text } from './limits'
import type { ClusterNumber } from './records'

/** Settings that a sweep may vary, by their short names; "part" says which results they belong to. */
export const sweepSettings = {
  k: { part: 'clustering', key: 'neighbours', words: 'k' },
  resolution: { part: 'clustering', key: 'resolution', words: 'resolution' },
  seeds: { part: 'clustering', key: 'seeds', words: 'seeds' },
  minSize: { part: 'clustering', key: 'minSize', words: 'minimum size' },
  method: { part: 'clustering', key: 'method', words: 'method' },
  nBeta: { part: 'run', key: 'sampler.nBeta', words: 'nβ' },
  gamma: { part: 'run', key: 'sampler.gamma', words: 'γ' },
  seed: { part: 'run', key: 'seed', words: 'seed' },
  checkpoint: { part: 'run', key: 'weights', words: 'checkpoint' }
} as const
export type SweepSetting = keyof typeof sweepSettings
export const sweepSettingNames = Object.keys(sweepSettings) as [SweepSetting, ...SweepSetting[]]

/** A value of a setting. The configuration's own schema checks it, in each member. */
const sweepValueSchema = z.union([z.number(), path])
export type SweepValue = z.output<typeof sweepValueSchema>

const keyed = <S extends z.ZodType>(schema: S): z.ZodObject<Record<SweepSetting, S>, z.core.$strict> =>
  z.strictObject(Object.fromEntries(sweepSettingNames.map((name) => [name, schema])) as Record<SweepSetting, S>)

/** The values of one member. */
export const sweepValuesSchema = keyed(sweepValueSchema.optional())
export type SweepValues = Readonly<z.output<typeof sweepValuesSchema>>

/** The values of each setting; members are all their combinations, the last setting varying fastest. */
export const sweepSchema = keyed(z.array(sweepValueSchema).min(1).max(limits.sweepMembers).optional())
export type Sweep = z.output<typeof sweepSchema>

/** Sweeps that the program offers. */
export const sweepPresets: Readonly<Record<'k' | 'nBeta', { readonly words: string; readonly sweep: Sweep }>> = {
  k: { words: 'k = 30, 45, 60', sweep: { k: [30, 45, 60] } },
  nBeta: { words: 'nβ = 0 against nβ = 3', sweep: { nBeta: [0, 3] } }
}
export type SweepPreset = keyof typeof sweepPresets
export const sweepPresetNames = Object.keys(sweepPresets) as [SweepPreset, ...SweepPreset[]]

export const sweepName = text(limits.runName)
/** The settings of a new sweep: those of a preset, or a person's own. */
export const askedSweepSchema = z.union([z.enum(sweepPresetNames), sweepSchema])

const shown = (value: SweepValue): string => {
  if (typeof value === 'number') return String(value)
  // Files of weights have the same name in all their folders.
  const parts = value.split(/[\\/]/).filter((part) => part !== '')
  return parts.findLast((part) => !/\.(safetensors|bin|json)$/.test(part)) ?? value
}

/** A member in words: "k = 45, resolution = 2". A checkpoint is its last folder or file. */
export const memberWords = (values: SweepValues): string =>
  sweepSettingNames
    .flatMap((name) => {
      const value = values[name]
      return value === undefined ? [] : [`${sweepSettings[name].words} = ${shown(value)}`]
    })
    .join(', ')

/** State of one member: a clustering, in a run of its own or in one that it shares with other members. */
export type MemberState = 'waiting' | 'running' | 'paused' | 'failed' | 'done'

export interface SweepMember {
  readonly words: string
  readonly values: SweepValues
  /** Null before its run is made. */
  readonly run: string | null
  readonly clustering: number | null
  readonly state: MemberState
  readonly error: string | null
}

/** A sweep as the list of runs shows it. */
export interface SweepEntry {
  readonly id: string
  readonly name: string
  readonly createdAt: string
  readonly settings: Sweep
  /** Member that the others are compared with, by default. */
  readonly base: number
  readonly members: readonly SweepMember[]
  /** Runs made for it. They are in no list but this one. */
  readonly runs: readonly string[]
  readonly state: MemberState
  /** What to know before comparing its members. */
  readonly notes: readonly string[]
}

/** A new sweep before it starts. */
export interface SweepPlan {
  readonly members: readonly string[]
  readonly newRuns: number
  readonly clusterings: number
  /** Members that are there already, with the same settings. */
  readonly there: number
  /** Null where it is not known. */
  readonly seconds: number | null
  readonly diskBytes: number
  readonly notes: readonly string[]
}

/** How far the posterior is from the prior: effective shares of a run's components. */
export interface EffectiveShares {
  readonly least: number
  readonly median: number
}

/** What one member found. Null while it is not done, or where it is not known. */
export interface MemberResult extends SweepMember {
  readonly tokens: number
  readonly clusters: number | null
  readonly conductance: number | null
  readonly shareClustered: number | null
  readonly stableShare: number | null
  /** Mean functional separation of its clusters, by size: docs/method.md, section 5.8. */
  readonly separation: number | null
  /** Median reliability of the columns. */
  readonly reliability: number | null
  readonly effectiveShares: EffectiveShares | null
}

/** Best match of a cluster in a member. */
export interface FoundCluster {
  readonly cluster: ClusterNumber
  readonly jaccard: number
  readonly size: number
  readonly conductance: number | null
}

/** A cluster of the base, and where else it is found. */
export interface SweptCluster {
  readonly cluster: ClusterNumber
  readonly size: number
  readonly name: string
  /** Texts of its most frequent tokens. */
  readonly topTokens: readonly string[]
  readonly conductance: number | null
  readonly stability: number | null
  readonly separation: number | null
  /** By member; null for the base itself, members that are not done, and those with nothing in common. */
  readonly best: readonly (FoundCluster | null)[]
  /** Members other than the base in which it is found again. */
  readonly foundIn: number
  /** The earliest member from which on it is found in every one that is done, up to the base. */
  readonly appears: number
}

/** Agreement of two members on the tokens that both have. */
export interface MemberAgreement {
  readonly left: number
  readonly right: number
  readonly tokens: number
  readonly adjustedRand: number
}

/** A label of the base whose cluster some members do not find. */
export interface DependentLabel {
  readonly cluster: ClusterNumber
  readonly name: string
  /** Members that do not find it. */
  readonly lostIn: readonly number[]
}

/** A cluster counts as found again from this Jaccard index on. */
export const foundFrom = 0.5

/** What the members of a sweep found, and how they agree. */
export interface SweepReport {
  readonly sweep: SweepEntry
  readonly base: number
  readonly members: readonly MemberResult[]
  readonly agreements: readonly MemberAgreement[]
  readonly clusters: readonly SweptCluster[]
  readonly dependent: readonly DependentLabel[]
  readonly labelled: number
  /** A sentence on whether nβ could make a difference; null for sweeps over other settings. */
  readonly verdict: string | null
}
