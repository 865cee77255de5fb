/**
 * What is asked for: a GPU, or the processor in its place, which is a different engine by name so that a run never
 * takes one for the other.
 */
export type Kind = 'hardware' | 'software'
