import { densityLook, pointOpacity, pointSize } from './places'

/** How large and how opaque points are, in proportion to what suits their number. */
export class GraphLook {
  /** Times the usual diameter. */
  size = $state(1)
  /** Times the usual opacity. */
  opacity = $state(1)
  /** Whether the shade of a place says how many tokens lie there. */
  density = $state(false)
  /** Whether the camera goes to the current cluster when it changes. */
  follows = $state(true)

  /** Diameter of each of `count` points in pixels, by the share of what is fitted that is in view, and its area. */
  diameterOf(count: number): (ratio: number, area: number) => number {
    const [times, cover] = [this.size, this.density ? densityLook(count).cover : undefined]
    return (ratio, area) => times * pointSize(count, ratio, area, cover)
  }

  opacityOf(count: number): number {
    return Math.min(1, this.opacity * (this.density ? densityLook(count).opacity : pointOpacity(count)))
  }

  get isUsual(): boolean {
    return this.size === 1 && this.opacity === 1 && !this.density
  }

  reset(): void {
    this.size = 1
    this.opacity = 1
    this.density = false
  }
}
