import { foundFrom } from '../../preload/contract-sweeps'
import type { MemberResult, SweepEntry, SweepPlan, SweepReport } from '../../preload/contract-sweeps'
import { plural } from '../../preload/plural'
import { line, lines as join } from '../base/printed'
import type { Visible } from '../base/printed'
import { paragraph } from './page'
import type { Page } from './page'
import { renderTable } from './table'
import { duration, fixed, grouped, percent, visibleToken } from './text'

const doneOf = ({ members }: SweepEntry): string =>
  `${grouped(members.filter(({ state }) => state === 'done').length)} of ${plural(members.length, 'member')} done`

/** Output of `sweep status`: all sweeps. */
export const sweepsText = (sweeps: readonly SweepEntry[], page: Page): Visible =>
  sweeps.length === 0
    ? line`No sweeps in this workspace.`
    : renderTable(
        [
          { title: 'sweep' },
          { title: 'name', flexible: true },
          { title: 'state' },
          { title: 'created (UTC)' },
          { title: 'members', flexible: true }
        ],
        sweeps.map((sweep) => [
          sweep.id,
          sweep.name,
          sweep.state,
          sweep.createdAt.slice(0, 16).replace('T', ' '),
          `${doneOf(sweep)}: ${sweep.members.map(({ words }) => words).join('; ')}`
        ]),
        page.width,
        page.bold
      )

/** Output of `sweep --plan`. */
export const sweepPlanText = (
  { members, newRuns, clusterings, there, seconds, notes }: SweepPlan,
  page: Page
): Visible =>
  join(
    `${plural(members.length, 'member')}: ${plural(newRuns, 'new run')}, ${plural(clusterings, 'clustering')}` +
      `${there === 0 ? '' : `, ${grouped(there)} there already`}.`,
    members.map((words) => `  ${words}`),
    seconds === null ? [] : [`Estimated time here: ${duration(seconds)}.`],
    notes.flatMap((note) => paragraph(note, page))
  )

const shareText = ({ effectiveShares }: MemberResult): string =>
  effectiveShares === null ? '–' : `${fixed(effectiveShares.median, 3)} (≥ ${fixed(effectiveShares.least, 3)})`

const membersTable = ({ members }: SweepReport, page: Page): Visible =>
  renderTable(
    [
      { title: '', align: 'right' },
      { title: 'member', flexible: true },
      { title: 'state' },
      { title: 'clusters', align: 'right' },
      { title: 'conductance', align: 'right' },
      { title: 'clustered', align: 'right' },
      { title: 'stable', align: 'right' },
      { title: 'separation', align: 'right' },
      { title: 'effective share', align: 'right' }
    ],
    members.map((member, at) => [
      String(at + 1),
      member.words,
      member.state,
      member.clusters === null ? '–' : grouped(member.clusters),
      fixed(member.conductance, 3),
      member.shareClustered === null ? '–' : percent(member.shareClustered),
      member.stableShare === null ? '–' : percent(member.stableShare),
      fixed(member.separation, 3),
      shareText(member)
    ]),
    page.width,
    page.bold
  )

const agreementsTable = ({ members, agreements }: SweepReport, page: Page): Visible =>
  renderTable(
    [{ title: '', align: 'right' }, ...members.map((_, at) => ({ title: String(at + 1), align: 'right' as const }))],
    members.map((_, row) => [
      String(row + 1),
      ...members.map((__, column) => {
        const found = agreements.find(
          ({ left, right }) => left === Math.min(row, column) && right === Math.max(row, column)
        )
        return row === column ? '·' : fixed(found?.adjustedRand, 2)
      })
    ]),
    page.width,
    page.bold
  )

const mostClusters = 40

const clustersTable = ({ sweep, clusters, members, base }: SweepReport, page: Page): Visible => {
  const isDevelopment = (sweep.settings.checkpoint?.length ?? 0) > 1
  const others = members.flatMap((_, at) => (at === base ? [] : [at]))
  return renderTable(
    [
      { title: 'cluster', align: 'right' },
      { title: 'label or top tokens', flexible: true },
      { title: 'size', align: 'right' },
      { title: 'stability', align: 'right' },
      { title: 'separation', align: 'right' },
      { title: 'found in', align: 'right' },
      ...(isDevelopment ? [{ title: 'appears at', flexible: true }] : []),
      ...others.map((at) => ({ title: `in ${at + 1}`, align: 'right' as const }))
    ],
    clusters
      .slice(0, mostClusters)
      .map(({ cluster, name, topTokens, size, stability, separation, foundIn, best, appears }) => [
        String(cluster),
        name === '' ? topTokens.map(visibleToken).join(' ') : `“${name}”`,
        grouped(size),
        fixed(stability, 2),
        fixed(separation, 2),
        `${foundIn} of ${others.length}`,
        ...(isDevelopment ? [members[appears].words] : []),
        ...others.map((at) => fixed(best[at]?.jaccard, 2))
      ]),
    page.width,
    page.bold
  )
}

const labelLines = ({ dependent, labelled, members }: SweepReport, page: Page): string[] => {
  if (labelled === 0) return []
  const head = `${grouped(labelled - dependent.length)} of ${plural(labelled, 'label')} found again in every member.`
  return [
    '',
    head,
    ...dependent.flatMap(({ cluster, name, lostIn }) =>
      paragraph(
        `“${name}” (${cluster}) is not found at ${lostIn.map((at) => members[at].words).join('; ')}.`,
        page,
        '  '
      )
    )
  ]
}

/** Output of `sweep show`, and of a sweep that is done. */
export const sweepText = (report: SweepReport, page: Page): Visible => {
  const { sweep, verdict, members, base, clusters, agreements } = report
  return join(
    line`${page.bold(`Sweep ${sweep.id}`)} "${sweep.name}" is ${sweep.state}: ${doneOf(sweep)}.`,
    sweep.notes.flatMap((note) => paragraph(note, page)),
    '',
    membersTable(report, page),
    members.flatMap(({ words, error }) => (error === null ? [] : paragraph(`${words}: ${error}`, page))),
    verdict === null ? [] : paragraph(verdict, page),
    agreements.length === 0 ? [] : ['', 'Adjusted Rand index between members:', agreementsTable(report, page)],
    clusters.length === 0
      ? []
      : [
          '',
          `Clusters of member ${base + 1} (${members[base].words}), and their best Jaccard index in the others; ` +
            `found again from ${foundFrom} on:`,
          clustersTable(report, page),
          ...(clusters.length > mostClusters
            ? [`… ${mostClusters} of ${grouped(clusters.length)} shown; \`sweep export\` and --json have all.`]
            : [])
        ],
    labelLines(report, page)
  )
}
