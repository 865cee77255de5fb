export type { Autoencoder, Hookpoint } from './autoencoder'
export { activeLatents, normaliseInputs, type ActiveLatents } from './encode'
export { readAutoencoder } from './read'
