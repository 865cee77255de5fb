import type { z } from 'zod'
import type { Call } from './call'
import {
  appCalls,
  settingsCalls,
  viewsCalls,
  workspaceCalls,
  enginesCalls,
  jobsCalls,
  filesCalls,
  modelsCalls,
  corporaCalls
} from './calls-app'
import { exportsCalls, importsCalls } from './calls-exchange'
import { clustersCalls, graphCalls, tokensCalls } from './calls-explore'
import { labelsCalls } from './calls-labels'
import { namesCalls } from './calls-naming'
import { runsCalls } from './calls-runs'
import { shardsCalls } from './calls-shards'
import { sweepsCalls } from './calls-sweeps'

export { clusterExportFormats, isTokenFormat, tokenExportFormats } from './calls-exchange'
export type {
  ClusterExportFormat,
  ExportAnswer,
  ForeignAnswer,
  ForeignInspection,
  ImportAnswer,
  ImportInspection
} from './calls-exchange'
export type { BlindTest, Carried, CarriedLabel, LeftLabel } from './calls-labels'

/** All calls of a window, by noun and verb. The types of its client and of the handlers derive from this table. */
export const calls = {
  app: appCalls,
  settings: settingsCalls,
  views: viewsCalls,
  workspace: workspaceCalls,
  engines: enginesCalls,
  jobs: jobsCalls,
  files: filesCalls,
  models: modelsCalls,
  corpora: corporaCalls,
  runs: runsCalls,
  shards: shardsCalls,
  sweeps: sweepsCalls,
  clusters: clustersCalls,
  tokens: tokensCalls,
  graph: graphCalls,
  labels: labelsCalls,
  names: namesCalls,
  exports: exportsCalls,
  imports: importsCalls
}
export type Calls = typeof calls

/** Name of a call, such as "labels.apply". */
export type CallName = { [N in keyof Calls]: `${N}.${keyof Calls[N] & string}` }[keyof Calls]
type CallOf<M extends CallName> = M extends `${infer N extends keyof Calls}.${infer V}`
  ? V extends keyof Calls[N]
    ? Calls[N][V]
    : never
  : never
type SchemaOf<C> = C extends Call<infer P, unknown> ? P : never

export type InputOf<C> = z.input<SchemaOf<C>>
export type ParametersOf<C> = z.output<SchemaOf<C>>
export type AnswerOf<C> = C extends Call<z.ZodType, infer R> ? R : never

/** Parameters as a window passes them. Keys with a default may be omitted. */
export type CallInput<M extends CallName> = InputOf<CallOf<M>>
/** Parameters after checking. */
export type CallParameters<M extends CallName> = ParametersOf<CallOf<M>>
export type CallResult<M extends CallName> = AnswerOf<CallOf<M>>

const declarations: ReadonlyMap<string, Call<z.ZodType, unknown>> = new Map(
  Object.entries(calls).flatMap(([noun, verbs]) =>
    Object.entries<Call<z.ZodType, unknown>>(verbs).map(([verb, call]) => [`${noun}.${verb}`, call])
  )
)

/** The declaration of a call; undefined if there is none of that name. */
export const declarationOf = (name: string): Call<z.ZodType, unknown> | undefined => declarations.get(name)

/** Parameter schemas by call name. */
export const callSchemas = Object.fromEntries(
  [...declarations].map(([name, { parameters }]) => [name, parameters])
) as unknown as { readonly [M in CallName]: SchemaOf<CallOf<M>> }
