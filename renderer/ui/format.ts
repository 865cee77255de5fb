import type { Settings } from '../../preload/contract'

export type NumberFormat = Settings['numberFormat']

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** A whole number in the format of the settings: "12,345" or "12345". */
export const whole = (value: number, format: NumberFormat = 'grouped'): string =>
  format === 'plain' ? String(value) : grouped.format(value)

/**
 * A measured number with `digits` significant digits; in powers of ten where it is far from 1, or always where the
 * settings ask for it.
 */
export const measured = (value: number | null | undefined, digits = 3, format: NumberFormat = 'grouped'): string => {
  if (value === null || value === undefined || Number.isNaN(value)) return '–'
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞'
  const size = Math.abs(value)
  const text =
    value === 0
      ? '0'
      : format === 'scientific' || size < 1e-3 || size >= 1e6
        ? value.toExponential(digits - 1)
        : value.toPrecision(digits)
  const [mantissa, exponent] = text.split('e')
  return (exponent === undefined ? mantissa : `${mantissa}e${Number(exponent)}`).replace('-', '−').replace('e-', 'e−')
}

export const percent = (share: number | null | undefined, digits = 0): string =>
  share === null || share === undefined || Number.isNaN(share) ? '–' : `${(100 * share).toFixed(digits)} %`

const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const

export const bytes = (value: number): string => {
  const power = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3))
  return `${power === 0 ? value : (value / 1000 ** power).toPrecision(3)} ${units[power]}`
}

/** "3 s", "4 min 05 s", "2 h 10 min", "1 day 4 h". */
export const duration = (seconds: number | null | undefined): string => {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–'
  const total = Math.max(0, Math.round(seconds))
  if (total < 60) return `${total} s`
  if (total < 3600) return `${Math.floor(total / 60)} min ${String(total % 60).padStart(2, '0')} s`
  if (total < 86_400) return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`
  return `${Math.floor(total / 86_400)} d ${Math.floor((total % 86_400) / 3600)} h`
}

/** A rounded duration, for estimates: "50 s", "4 min", "1 h 40 min", "3 d 4 h". */
export const rough = (seconds: number | null | undefined): string => {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–'
  if (seconds < 60) return duration(Math.max(1, seconds))
  return seconds < 3570 ? `${Math.round(seconds / 60)} min` : duration(Math.max(3600, seconds))
}

/** "just now", "5 min ago", "3 h ago", "2 days ago", then the date. */
export const age = (time: string, now: number): string => {
  const seconds = (now - Date.parse(time)) / 1000
  if (seconds < 60) return 'just now'
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`
  if (seconds < 14 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`
  return time.slice(0, 10)
}

export const plural = (count: number, one: string, many = `${one}s`, format: NumberFormat = 'grouped'): string =>
  `${whole(count, format)} ${count === 1 ? one : many}`
